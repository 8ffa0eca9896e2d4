import itertools
import json
import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config import history
from tests.support.configured import ALIASES, MAIN, MASTER, Configuration, double
from tests.support.faults import fail_points, hooked, kill_points

# All points take minutes; a test takes a sample.
ALL_POINTS = os.environ.get("RESCUE_FAULTS") == "all"
STEP = 1 if ALL_POINTS else 5
WANTED = {
    "remember": "role",
    "parameters": {"luser_relay": "discard@a.example", "local_recipient_maps": "", "mydestination": None},
    "service_parameters": {"submission/inet/smtpd_sasl_auth_enable": True},
    "services": {"smtps/inet": {"private": "n", "command": "smtpd"}},
    "aliases": {"discard": "/dev/null"},
}
OTHER = {"remember": "role", "parameters": {"unknown_local_recipient_reject_code": 550, "mydestination": "c.example"}}
ABSENT = {"remember": "role", "state": "absent"}
MAPS = "alias_maps = hash:%s/aliases, ldap:x\n"


@pytest.fixture
def postfix(monkeypatch, tmp_path):
    return double(monkeypatch, tmp_path)


@pytest.fixture
def make(postfix, tmp_path):
    """Return a function that makes another Configuration."""
    numbers = itertools.count()

    def make():
        path = tmp_path / str(next(numbers))
        path.mkdir()
        return Configuration(path)

    return make


def remembered():
    return sorted(os.listdir(history.DIRECTORY)) if os.path.isdir(history.DIRECTORY) else []


def _kept():
    return {name: open(os.path.join(history.DIRECTORY, name)).read() for name in remembered()}


def test_a_change_and_back(make):
    one = make()
    result = one.configure(**WANTED)
    assert one.read("main.cf") == (
        "# The banner\nsmtpd_banner = $myhostname ESMTP\nlocal_recipient_maps =\nluser_relay = discard@a.example\n"
    )
    assert one.read("master.cf") == (
        MASTER + "  -o smtpd_sasl_auth_enable=yes\nsmtps     inet  n       -       -       -       -       smtpd\n"
    )
    assert one.read("aliases") == "postmaster: root\ndiscard: /dev/null\n"
    assert one.in_effect() == one.texts()
    assert (result["changed"], result["reloaded"], result["left"]) == (True, True, [])
    assert result["previous"] == {
        "parameters": {
            "luser_relay": None,
            "local_recipient_maps": "hash:/etc/users",
            "mydestination": "a.example, b.example",
        },
        "service_parameters": {"submission/inet/smtpd_sasl_auth_enable": None},
        "services": {"smtps/inet": None},
        "aliases": {"discard": "somebody, else"},
    }
    assert stat.S_IMODE(os.stat(os.path.join(one.path, "main.cf")).st_mode) == 0o640
    again = one.configure(**WANTED)
    assert (again["changed"], again["changes"], again["diff"], again["reloaded"]) == (False, [], [], False)
    undone = one.configure(**ABSENT)
    assert undone["changed"] and one.texts() == one.in_effect() == (MAIN, MASTER, ALIASES)
    assert remembered() == []
    assert not one.configure(**ABSENT)["changed"]


def test_check_mode_foretells_the_run_and_changes_nothing(make):
    one = make()
    for options in (WANTED, OTHER, ABSENT, ABSENT):
        before, kept = one.texts(), remembered()
        foretold = one.configure(check_mode=True, **options)
        assert (one.texts(), remembered()) == (before, kept)
        assert one.configure(**options) == foretold


def test_previous_undoes_the_run_without_a_label(make):
    one = make()
    options = {key: value for key, value in WANTED.items() if key != "remember"}
    previous = one.configure(**options)["previous"]
    one.configure(**previous)
    again = one.configure(**previous)
    assert not again["changed"] and remembered() == []
    changed = one.configure(check_mode=True, **options)["previous"]
    assert changed == previous


def test_what_a_run_names_no_more_is_put_back(make):
    one = make()
    one.configure(**WANTED)
    one.configure(**OTHER)
    assert one.read("main.cf") == MAIN.replace("a.example,\n  b.example", "c.example") + (
        "unknown_local_recipient_reject_code = 550\n"
    )
    assert (one.read("master.cf"), one.read("aliases")) == (MASTER, ALIASES)
    one.configure(**ABSENT)
    assert one.texts() == one.in_effect() == (MAIN, MASTER, ALIASES)


def test_labels_do_not_know_each_other(make):
    one = make()
    one.configure(remember="a", parameters={"luser_relay": "x"})
    one.configure(remember="b", parameters={"biff": False})
    one.configure(remember="a", state="absent")
    assert one.read("main.cf") == MAIN + "biff = no\n"
    one.configure(remember="b", state="absent")
    assert one.read("main.cf") == MAIN


def test_what_somebody_changed_since_is_left(make):
    one = make()
    one.configure(**WANTED)
    one.write("main.cf", one.read("main.cf").replace("discard@a.example", "boss@a.example"))
    result = one.configure(**ABSENT)
    assert result["left"] == [{"kind": "parameter", "name": "luser_relay", "value": "boss@a.example"}]
    assert "luser_relay was changed by somebody else" in result["warnings"][0]
    assert one.read("main.cf") == MAIN + "luser_relay = boss@a.example\n"
    assert remembered() == []


def test_what_was_so_already_is_not_remembered(make):
    one = make()
    one.configure(remember="role", parameters={"smtpd_banner": "$myhostname ESMTP"})
    assert remembered() == []


def test_no_reload_where_it_does_not_run_or_is_not_wanted(make, postfix, monkeypatch):
    one = make()
    assert not one.configure(parameters={"biff": True}, reload=False)["reloaded"]
    assert not one.configure(parameters={"biff": True})["changed"]
    monkeypatch.setattr(postfix, "running", False)
    assert not one.configure(parameters={"biff": False})["reloaded"]
    monkeypatch.setattr(postfix, "running", True)
    assert not one.configure(parameters={"biff": False})["changed"]


def test_what_needs_a_restart_is_named(make):
    result = make().configure(parameters={"inet_protocols": "ipv4", "biff": True})
    assert result["restart_needed"] == ["inet_protocols"] and "restarted" in result["warnings"][0]


def test_an_index_that_lacks_the_alias_is_made_anew(make):
    one = make()
    one.configure(aliases={"discard": "/dev/null"})
    one.write("aliases.db", ALIASES)
    assert one.configure(check_mode=True, aliases={"discard": "/dev/null"})["changed"]
    one.configure(aliases={"discard": "/dev/null"})
    assert one.in_effect() == one.texts()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"parameters": {"unknown": 1}}, "parameters: expected names that Postfix 3.7.11 knows, got unknown."),
        ({"parameters": {"broken": 1}}, "parameters: Postfix refuses the configuration as it would be: "),
        ({"service_parameters": {"x/inet/y": 1}}, "service_parameters.x/inet/y: master.cf has no service x/inet."),
        ({"services": {"x/inet": {"chroot": "n"}}}, "services.x/inet: expected command"),
        ({"state": "absent"}, "remember: "),
        ({"state": "absent", "remember": "x", "parameters": {"a": 1}}, "parameters: expected nothing"),
        ({"parameters": {"alias_maps": "nis:x"}}, None),
    ],
)
def test_what_is_refused_changes_nothing(make, options, sentence):
    one = make()
    for check_mode in (True, False):
        if sentence is None:
            one.write("main.cf", MAIN + "alias_maps = nis:x\n")
            before = one.texts()
            with pytest.raises(RescueError, match="aliases: expected a map of type hash"):
                one.configure(check_mode, aliases={"x": "y"})
        else:
            before = one.texts()
            with pytest.raises(RescueError) as caught:
                one.configure(check_mode, **options)
            assert str(caught.value).startswith(sentence)
        assert one.texts() == before and remembered() == []


def test_a_configuration_that_does_not_parse(make):
    one = make()
    one.write("main.cf", MAIN + "broken\n")
    with pytest.raises(RescueError, match="config_directory: .* as they are: missing '='"):
        one.configure(**WANTED)
    assert one.texts()[1:] == (MASTER, ALIASES) and remembered() == []


def test_a_damaged_note_is_named(make):
    one = make()
    one.configure(**WANTED)
    path = os.path.join(history.DIRECTORY, remembered()[0])
    with open(path, "w") as file:
        file.write("{")
    before = one.texts()
    with pytest.raises(RescueError, match="remember: .* is damaged"):
        one.configure(**ABSENT)
    assert one.texts() == before


def test_a_file_that_is_edited_meanwhile_is_not_overwritten(make):
    one = make()

    def edit(function, *arguments, **keywords):
        if function is os.rename and arguments[1].startswith("@"):
            one.write("main.cf", MAIN + "biff = no\n")
        return function(*arguments, **keywords)

    with hooked(edit), pytest.raises(RescueError, match="changed by somebody else during the run"):
        one.configure(parameters={"luser_relay": "x"})
    assert one.read("main.cf") == MAIN + "biff = no\n"


def test_links_stay(make):
    one = make()
    os.rename(os.path.join(one.path, "main.cf"), os.path.join(one.path, "real.cf"))
    os.symlink("real.cf", os.path.join(one.path, "main.cf"))
    one.configure(parameters={"biff": True})
    assert os.path.islink(os.path.join(one.path, "main.cf")) and one.read("real.cf") == MAIN + "biff = yes\n"


def _whole(one, point, steps):
    """Each file is whole, and the alias is there while main.cf names it."""
    for text, allowed in zip(one.texts(), zip(*steps)):
        assert text in allowed, point
    if "luser_relay = discard" in one.read("main.cf"):
        assert "/dev/null" in one.read("aliases.db"), point


def _steps(make):
    one = make()
    one.configure(**WANTED)
    wanted = one.texts()
    one.configure(**OTHER)
    other = one.texts()
    one.configure(**ABSENT)
    return one.original, wanted, other


def runs(original, wanted, other):
    """Return {name: (what was configured before, what is now, and what is there in the end)}."""
    return {
        "first": ([], WANTED, wanted),
        "switch": ([WANTED], OTHER, other),
        "back": ([OTHER], WANTED, wanted),
        "absent": ([WANTED], ABSENT, original),
    }


def finish(one, point, options, expected, original):
    """The run with `options`, if any, brings it to its end; what undoes the label leaves no trace."""
    if options:
        one.configure(**options)
        assert one.texts() == one.in_effect() == expected, point
        assert not one.configure(**options)["changed"], point
    one.configure(**ABSENT)
    assert one.texts() == one.in_effect() == original, point
    assert not [name for name in remembered() if "%2F" + os.path.basename(one.path) + "." in name], point
    assert not [name for name in os.listdir(one.path) if "mailops" in name or name.startswith(".")], point


@pytest.mark.parametrize("then", ["again", "absent"])
@pytest.mark.parametrize("run", ["first", "switch", "back", "absent"])
def test_a_run_that_is_killed_is_finished_or_undone_by_the_next(make, run, then):
    original, _wanted, _other = steps = _steps(make)
    first, options, expected = runs(*steps)[run]

    def prepare():
        one = make()
        for each in first:
            one.configure(**each)
        return one

    def verify(one, point):
        _whole(one, point, steps)
        finish(one, point, options if then == "again" else None, expected, original)

    assert kill_points(prepare, lambda one: one.configure(**options), verify, STEP) > (30 if ALL_POINTS else 6)


def test_a_disk_that_fails(make):
    original, wanted, unused = steps = _steps(make)

    def run(one):
        try:
            one.configure(**WANTED)
        except (RescueError, OSError) as error:
            one.failure = str(error)

    def verify(one, point):
        _whole(one, point, steps)
        one.configure(**WANTED)
        assert one.texts() == one.in_effect() == wanted, point
        one.configure(**ABSENT)
        assert one.texts() == one.in_effect() == original, point

    assert fail_points(make, run, verify, errors=("ENOSPC", "EROFS", "SHORT"), step=STEP) > (60 if ALL_POINTS else 12)


def test_the_note_is_readable(make):
    one = make()
    one.configure(**WANTED)
    with open(os.path.join(history.DIRECTORY, remembered()[0])) as file:
        assert json.load(file)["entries"]["aliases"] == {
            "discard": {"before": [["Discard: somebody,\n  else\n", "postmaster: root\n"]], "ours": ["/dev/null"]}
        }


@pytest.mark.parametrize(
    "maps",
    ["{ hash:/etc/aliases }", "hash:$alias_directory/aliases", "hash:/a, {hash:/b}", "unionmap:{hash:/a"],
)
def test_alias_maps_that_are_not_understood_are_refused(make, maps):
    configuration = make()
    configuration.write("main.cf", MAIN + "alias_maps = %s\n" % maps)
    before = configuration.texts()
    with pytest.raises(RescueError, match=r"\Aaliases: expected alias_maps to list tables"):
        configuration.configure(**WANTED)
    assert configuration.texts() == before


def test_alias_maps_with_braces_that_hold_a_table_are_one(make, monkeypatch, postfix):
    configuration = make()
    maps = "hash:%s/aliases, inline:{ {a=b c}, d=e }" % configuration.path
    configuration.write("main.cf", MAIN + "alias_maps = %s\n" % maps)
    asked = []
    original = postfix.alias
    monkeypatch.setattr(postfix, "alias", lambda self, name, given: asked.append(given) or original(self, name, given))
    assert configuration.configure(**WANTED)["changed"]
    assert ["hash:%s/aliases" % configuration.path, "inline:{ {a=b c}, d=e }"] in asked


def test_an_alias_that_leads_elsewhere_changes_nothing(make, monkeypatch, postfix):
    """Postfix, asked through all of alias_maps, says another thing than the file that was changed."""
    configuration = make()
    configuration.write("main.cf", MAIN + MAPS % configuration.path)
    before = configuration.texts()
    _elsewhere(postfix, monkeypatch)
    with pytest.raises(RescueError, match=r"\Aaliases.discard: expected .* leads to somebody\. The aliases are as"):
        configuration.configure(**WANTED)
    assert configuration.texts() == before
    assert configuration.read("aliases.db") == ALIASES
    assert remembered() == []
    assert not configuration.configure(**ABSENT)["changed"]


def _elsewhere(postfix, monkeypatch):
    """Have all of alias_maps lead elsewhere than the one that is changed."""
    original = postfix.alias
    monkeypatch.setattr(
        postfix, "alias", lambda self, name, maps: "somebody" if len(maps) > 1 else original(self, name, maps)
    )
    return original


def _refused(configuration, options=WANTED):
    with pytest.raises(RescueError) as caught:
        configuration.configure(**options)
    return str(caught.value)


@pytest.mark.parametrize("writes", [True, False])
def test_an_index_that_cannot_be_made_changes_nothing(make, monkeypatch, postfix, writes):
    configuration = make()
    original = postfix.build_aliases

    def build(self, table):
        monkeypatch.setattr(postfix, "build_aliases", original if writes else build)
        if writes:
            configuration.write("aliases.db", "half")
        raise RescueError("postalias %s failed: no room." % table)

    monkeypatch.setattr(postfix, "build_aliases", build)
    said = _refused(configuration)
    assert "failed: no room. The aliases are as they were" in said
    assert configuration.texts() == configuration.in_effect() == configuration.original
    assert remembered() == []


def test_an_index_that_is_spoilt_and_cannot_be_made_is_made_by_the_next_run(make, monkeypatch, postfix):
    configuration = make()
    original = postfix.build_aliases

    def build(self, table):
        configuration.write("aliases.db", "half")
        raise RescueError("postalias %s failed: no room." % table)

    monkeypatch.setattr(postfix, "build_aliases", build)
    assert "run it again" in _refused(configuration)
    assert configuration.texts() == configuration.original
    monkeypatch.setattr(postfix, "build_aliases", original)
    configuration.configure(**ABSENT)
    assert configuration.texts() == configuration.in_effect() == configuration.original
    assert remembered() == []


def test_what_was_remembered_before_a_refused_run_stays(make, monkeypatch, postfix):
    configuration = make()
    configuration.configure(**WANTED)
    before, kept = configuration.texts(), _kept()
    other = dict(WANTED, aliases={"discard": "/dev/null", "another": "/dev/null"})
    configuration.write("main.cf", configuration.read("main.cf") + MAPS % configuration.path)
    with_maps = configuration.texts()
    original = _elsewhere(postfix, monkeypatch)
    _refused(configuration, other)
    assert configuration.texts() == with_maps and _kept() == kept
    monkeypatch.setattr(postfix, "alias", original)
    configuration.write("main.cf", before[0])
    configuration.configure(**ABSENT)
    assert configuration.texts() == configuration.original and remembered() == []


def test_a_refused_run_that_is_killed_is_undone_by_absent(make, monkeypatch, postfix):
    _elsewhere(postfix, monkeypatch)

    def prepare():
        configuration = make()
        configuration.write("main.cf", MAIN + MAPS % configuration.path)
        return configuration

    def verify(configuration, point):
        assert configuration.read("main.cf") == MAIN + MAPS % configuration.path, point
        configuration.configure(**ABSENT)
        assert configuration.texts()[1:] == configuration.original[1:], point
        assert configuration.read("aliases.db") == ALIASES, point
        assert not [name for name in remembered() if "%2F" + os.path.basename(configuration.path) + "." in name], point

    assert kill_points(prepare, _refused, verify, STEP) > (30 if ALL_POINTS else 6)


@pytest.mark.parametrize(
    ("maps", "sentence"),
    [("ldap:x, hash:%s/aliases", "expected no other map in front of"), ("ldap:x", "expected alias_maps to have")],
)
def test_a_later_run_notices_that_the_alias_leads_elsewhere(make, monkeypatch, postfix, maps, sentence):
    configuration = make()
    configuration.configure(**WANTED)
    changed = configuration.read("main.cf")
    configuration.write("main.cf", changed + "alias_maps = %s\n" % maps.replace("%s", configuration.path))
    before, original = configuration.texts(), postfix.alias
    monkeypatch.setattr(
        postfix, "alias", lambda self, name, asked: "somebody" if asked == ["ldap:x"] else original(self, name, asked)
    )
    for check_mode in (True, False):
        with pytest.raises(RescueError, match=r"\Aaliases\.discard: " + sentence):
            configuration.configure(check_mode, **WANTED)
    assert configuration.texts() == before
    configuration.configure(**ABSENT)
    assert configuration.texts()[1:] == configuration.original[1:] and remembered() == []
