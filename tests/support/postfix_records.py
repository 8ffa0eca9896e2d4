"""The pieces of Postfix queue files: records, queue ids and defer logs, as Postfix writes them."""

__all__ = ["content_records", "defer_entry", "long_id", "padding", "record", "short_id"]

LINE_LIMIT = 2048
POINTER_WIDTH = 15
SAFE_ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"


def record(kind, payload=b""):
    """Return one record: its type byte (`kind`, a str of one character), base-128 length, payload (bytes)."""
    length = len(payload)
    encoded = bytearray(kind.encode("ascii"))
    while length > 127:
        encoded.append(length & 127 | 128)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + payload


def padding(kind, width):
    """Return a padding record of `width` bytes in all (2 at least): blanks and a zero, as rec_pad() does."""
    payload = b"0".rjust(width - 2) if width > 2 else b""
    return record(kind, payload)


def content_records(content, milter=False):
    """Return the records of the message text `content` (bytes, LF line ends).

    `milter`: with the pointer records after the header section and after the body, and the padding of short
    headers, that cleanup(8) writes where Milters may edit the message.
    """
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not milter:
        return b"".join(_line_records(line) for line in lines)
    end = lines.index(b"") if b"" in lines else len(lines)
    records = []
    for number, line in enumerate(lines[:end]):
        records.append(_line_records(line))
        folded = any(near[:1] in (b" ", b"\t") for near in lines[number : number + 2])
        if len(line) < POINTER_WIDTH and not folded:
            records.append(padding("w", POINTER_WIDTH - len(line)))
    pointer = record("p", b"0".rjust(POINTER_WIDTH))
    body = [_line_records(line) for line in lines[end:]]
    return b"".join(records + [pointer] + body + [pointer])


def _line_records(line):
    pieces = []
    while len(line) > LINE_LIMIT:
        pieces.append(record("L", line[:LINE_LIMIT]))
        line = line[LINE_LIMIT:]
    return b"".join(pieces) + record("N", line)


def short_id(microseconds, inode):
    """Return the id that Postfix gives a file by default."""
    return "%05X%X" % (microseconds, inode)


def long_id(seconds, microseconds, inode):
    """Return the id that Postfix gives a file with `enable_long_queue_ids = yes`."""
    return _encode(seconds, 52).rjust(6, "0") + _encode(microseconds, 52).rjust(4, "0") + "z" + _encode(inode, 51)


def _encode(number, base):
    digits = []
    while True:
        number, rest = divmod(number, base)
        digits.append(SAFE_ALPHABET[rest])
        if not number:
            return "".join(reversed(digits))


def defer_entry(address, reason, offset, status="4.4.1", original=None, notify=0, diagnostic=None, mta=None):
    """Return the entry (bytes) that bounce(8) appends to a defer log for one recipient.

    `offset`: place of the recipient's record in the queue file; `original`: the recipient before rewriting;
    `diagnostic`, `mta`: the other server's reply and name, where one answered. All text is bytes but
    `status`.
    """
    lines = [b"", b"<%s>: %s" % (address, reason), b"recipient=" + address]
    if original is not None and original.lower() != address.lower():
        lines.append(b"original_recipient=" + original)
    lines.append(b"offset=%d" % offset)
    lines.append(b"dsn_orig_rcpt=rfc822;" + (address if original is None else original))
    if notify:
        lines.append(b"notify_flags=%d" % notify)
    lines += [b"status=" + status.encode("ascii"), b"action=delayed"]
    if diagnostic is not None:
        lines += [b"diag_type=smtp", b"diag_text=" + diagnostic]
    if mta is not None:
        lines += [b"mta_type=dns", b"mta_mname=" + mta]
    lines += [b"reason=" + reason, b"", b""]
    return b"\n".join(lines)
