"""Spoil bytes that a real program could have written."""

__all__ = ["LONGEST", "mutate"]

LONGEST = 6000
TOKENS = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b";",
    b"<",
    b">",
    b"@",
    b'"',
    b"\\",
    b"=?",
    b"?=",
    b"?q?",
    b"?B?",
    b"=?utf-8?q?",
    b"=?ISO-2022-JP?B?",
    b"=?zlib?q?",
    b"=?undefined?b?",
    b"=?idna?q?",
    b"=\n",
    b"\x1b$B",
    b"\x1b(B",
    b"\x1b[31m",
    b"\xff",
    b"\x80",
    b"\xe2\x80\xae",
    b"\x83\x5c",
    b"\xa4\xa2",
    b"From ",
    b"Subject: ",
    b"Received: ",
    b"\nrecipient=",
    b"\nreason=",
    b"<>: ",
    b"F",
    b"T",
    b"D",
    b"u",
    b"p0",
    b"p\x0f              0",
    b"p\x0f             16",
    b"p\x01\x31",
    b"N\0",
    b"L\x01a",
    b"M\0",
    b"X\0",
    b"E\0",
    b"R\x01a",
    b"S\0",
    b"C\x05 1 1 1",
    b"T\x03 1 ",
    b"\x80\x80\x80\x80",
    b"\xff\xff\xff\xff\x7f",
    b"99999999999999999999",
    b"-1",
    b"0",
    b"#@[]",
    b"Hi. This is the",
    b"Action: failed",
]


def mutate(random, data, other):
    """Return bytes made of ``data`` by a few changes, at most LONGEST of them; ``other``: bytes to take pieces of."""
    changed = bytearray(data[:LONGEST])
    for _number in range(random.choice((1, 1, 1, 2, 3, 5, 12))):
        random.choice(CHANGES)(random, changed, other)
    return bytes(changed[:LONGEST])


def _place(random, changed):
    return int(random.random() * (len(changed) + 1))


def _set_byte(random, changed, other):
    if changed:
        changed[_place(random, changed) - 1] = random.getrandbits(8)


def _flip_bit(random, changed, other):
    if changed:
        changed[_place(random, changed) - 1] ^= 1 << random.getrandbits(3)


def _insert_token(random, changed, other):
    at = _place(random, changed)
    changed[at:at] = random.choice(TOKENS)


def _overwrite_with_token(random, changed, other):
    at, token = _place(random, changed), random.choice(TOKENS)
    changed[at : at + len(token)] = token


def _delete(random, changed, other):
    at = _place(random, changed)
    del changed[at : at + 1 + int(random.expovariate(0.1))]


def _repeat(random, changed, other):
    at = _place(random, changed)
    piece = changed[at : at + 1 + int(random.expovariate(0.05))]
    changed[at:at] = piece * random.choice((1, 2, 10, 50))


def _splice(random, changed, other):
    if other:
        at, begin = _place(random, changed), int(random.random() * len(other))
        changed[at : at + random.getrandbits(6)] = other[begin : begin + random.getrandbits(8)]


def _cut(random, changed, other):
    del changed[_place(random, changed) :]


CHANGES = (_set_byte, _flip_bit, _insert_token, _overwrite_with_token, _delete, _repeat, _splice, _cut)
