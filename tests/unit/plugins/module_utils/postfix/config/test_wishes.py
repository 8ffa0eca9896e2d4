import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.wishes import check_label, wanted


def test_values_become_text():
    found = wanted(
        {
            "parameters": {"a": True, "b": False, "c": 30, "d": None, "e": "  $x, $y \n", "f": "", "g": "\u00e4"},
            "services": {"x/inet": {"chroot": False, "process_limit": 3, "command": "smtpd  -v"}, "y/unix": None},
            "service_parameters": {"127.0.0.1:25/inet/smtpd_x": "{a}"},
        }
    )
    assert found == {
        "parameters": {"a": "yes", "b": "no", "c": "30", "d": None, "e": "$x, $y", "f": "", "g": "\u00e4"},
        "services": {"x/inet": {"chroot": "n", "process_limit": "3", "command": "smtpd -v"}, "y/unix": None},
        "service_parameters": {"127.0.0.1:25/inet/smtpd_x": "{a}"},
        "aliases": {},
    }


@pytest.mark.parametrize(
    ("option", "given", "names"),
    [
        ("parameters", {"a b": 1}, "parameters: "),
        ("parameters", {"": 1}, "parameters: "),
        ("parameters", {"a=b": 1}, "parameters: "),
        ("parameters", {"a": "b\nc"}, "parameters.a: "),
        ("parameters", {"a": "b\x00"}, "parameters.a: "),
        ("parameters", {"a": "\ud800"}, "parameters.a: "),
        ("parameters", {"a": ["b"]}, "parameters.a: "),
        ("service_parameters", {"smtpd_x": 1}, "service_parameters: "),
        ("service_parameters", {"x/tcp/smtpd_x": 1}, "service_parameters: "),
        ("service_parameters", {"x/inet/smtpd_x": "{"}, "service_parameters.x/inet/smtpd_x: "),
        ("service_parameters", {"x/inet/smtpd_x": "}{"}, "service_parameters.x/inet/smtpd_x: "),
        ("services", {"x": None}, "services: "),
        ("services", {"#x/inet": None}, "services: "),
        ("services", {"x/inet": "smtpd"}, "services.x/inet: "),
        ("services", {"x/inet": {"user": "x"}}, "services.x/inet: "),
        ("services", {"x/inet": {"chroot": "q"}}, "services.x/inet.chroot: "),
        ("services", {"x/inet": {"wakeup": "-1"}}, "services.x/inet.wakeup: "),
        ("services", {"x/inet": {"command": " "}}, "services.x/inet.command: "),
        ("aliases", {"a b": "c"}, "aliases: "),
        ("aliases", {"a/b": "c"}, "aliases: "),
        ("aliases", {"a@b": "c"}, "aliases: "),
        ("aliases", {"a": ""}, "aliases.a: "),
    ],
)
def test_what_is_refused(option, given, names):
    with pytest.raises(RescueError) as caught:
        wanted({option: given})
    sentence = str(caught.value)
    assert sentence.startswith(names) and sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize("label", ["", "a/b", "..", "a b", "@a", "x" * 101])
def test_labels_that_are_refused(label):
    with pytest.raises(RescueError, match="remember: "):
        check_label(label)


def test_labels():
    check_label(None)
    check_label("postfix_hardening-1.2")
