"""UCI packages changed: what is written, what others have saved meanwhile, and a kill at every file operation."""

import errno
import fcntl
import json
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubuskit.uci import Add, Applied, Change, Delete, FileOps, PackageNotFound, Section, Set, Uci, UciError
from ubuskit.uci._model import anonymous_name
from ubuskit.uci._pure import parse
from ubuskit.uci._write import render

NETWORK = "# the LAN\nconfig interface 'lan'\n\toption proto 'static'\n\toption ipaddr '192.168.1.1'\n"
FIREWALL = (
    "config rule\n\toption name 'a'\nconfig rule\n\toption name 'b'\n"
    "config zone\nconfig rule\n\toption name 'c'\n"
)


@pytest.fixture
def uci(tmp_path: Path) -> Uci:
    for directory in ("config", "save"):
        (tmp_path / directory).mkdir()
    (tmp_path / "config" / "network").write_text(NETWORK)
    (tmp_path / "config" / "firewall").write_text(FIREWALL)
    return Uci(tmp_path / "config", tmp_path / "save", lock_timeout=0.05)


def committed(uci: Uci, package: str) -> dict[str, Section]:
    return Uci(uci.confdir, uci.confdir.parent / "nothing saved").load(package).sections


def names(uci: Uci) -> dict[str, str]:
    """Name of each firewall rule's section by the rule's own name."""
    sections = uci.load("firewall").sections.values()
    return {str(section.options["name"]): section.name for section in sections if "name" in section.options}


# What is written


def test_an_option_a_list_a_section(uci: Uci) -> None:
    applied = uci.apply(
        {
            "network": [
                Set("lan", "ipaddr", "192.168.2.1"),
                Set("lan", "dns", ["1.1.1.1", "it's"]),
                Delete("lan", "proto"),
                Add("interface", "wan", {"proto": "dhcp"}),
                Set("wan", "metric", "5"),
                Add("route", None, {"target": "10.0.0.0/8"}),
                Set("@route[-1]", "interface", "wan"),
            ],
            "firewall": [],
        }
    )
    assert (uci.confdir / "network").read_text() == (
        "\nconfig interface 'lan'\n\toption ipaddr '192.168.2.1'\n\tlist dns '1.1.1.1'\n\tlist dns 'it'\\''s'\n"
        "\nconfig interface 'wan'\n\toption proto 'dhcp'\n\toption metric '5'\n"
        "\nconfig route\n\toption target '10.0.0.0/8'\n\toption interface 'wan'\n\n"
    )
    route = anonymous_name(3, "route")
    assert applied == Applied(created={"network": ("wan", route)}, renamed={}, written=("network",))
    assert list(uci.load("network").sections) == ["lan", "wan", route]
    assert (uci.confdir / "firewall").read_text() == FIREWALL


def test_what_is_so_already_is_not_written(uci: Uci) -> None:
    before = (uci.confdir / "network").stat()
    assert uci.apply({"network": [Set("lan", "proto", "static")]}) == Applied()
    assert (uci.confdir / "network").stat().st_ino == before.st_ino
    assert uci.apply({}) == Applied()


def test_empty_values_delete(uci: Uci) -> None:
    uci.apply({"network": [Set("lan", "proto", ""), Set("lan", "ipaddr", []), Set("lan", "never", "")]})
    assert committed(uci, "network")["lan"].options == {}


def test_changed_options_keep_their_place(uci: Uci) -> None:
    uci.apply({"network": [Set("lan", "proto", ["a", "b"])]})
    assert list(committed(uci, "network")["lan"].options) == ["proto", "ipaddr"]


def test_deleting_an_anonymous_section_tells_who_is_renamed(uci: Uci) -> None:
    before = names(uci)
    applied = uci.apply({"firewall": [Delete("@rule[1]")]})
    after = names(uci)
    assert set(after) == {"a", "c"}
    zone = (anonymous_name(3, "zone"), anonymous_name(2, "zone"))
    assert applied.renamed == {"firewall": {before["c"]: after["c"], zone[0]: zone[1]}}
    assert after["a"] == before["a"]


def test_a_section_added_and_deleted_again(uci: Uci) -> None:
    applied = uci.apply({"network": [Add("interface", "x"), Add("interface", "y"), Delete("x")]})
    assert applied.created == {"network": ("y",)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Set("nobody", "a", "b"), "there is no section nobody"),
        (Set("@interface[1]", "a", "b"), "there is no section @interface[1]"),
        (Set("lan", "bad-name", "b"), "'bad-name' cannot be the name of an option"),
        (Set("lan", "a", "b\0"), "the value for lan.a has characters"),
        (Set("lan", "a", ["ok", "\x1b"]), "the value for lan.a has characters"),
        (Delete("nobody"), "there is no section nobody"),
        (Delete("lan", "nothing"), "there is no option nothing in section lan"),
        (Add("bad type"), "'bad type' cannot be the type"),
        (Add("interface", "bad name"), "'bad name' cannot be the name of a section"),
        (Add("interface", "lan"), "there is a section lan already"),
        (Add("interface", "new", {"x": "\1"}), "the value for new.x has characters"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(uci: Uci, change: Change, reason: str) -> None:
    with pytest.raises(UciError) as caught:
        uci.apply({"firewall": [Delete("@zone[0]")], "network": [Set("lan", "proto", "dhcp"), change]})
    assert reason in caught.value.reason
    assert caught.value.file == str(uci.confdir / "network")
    assert (uci.confdir / "network").read_text() == NETWORK
    assert (uci.confdir / "firewall").read_text() == FIREWALL


def test_values_never_appear_in_an_error_or_a_repr(uci: Uci) -> None:
    change = Set("lan", "password", "hunter2\0")
    with pytest.raises(UciError) as caught:
        uci.apply({"network": [change]})
    assert "hunter2" not in repr(caught.value) + repr(change) + repr(Add("a", "b", {"c": "hunter2"}))


def test_a_package_that_is_not_there_or_broken(uci: Uci) -> None:
    with pytest.raises(PackageNotFound):
        uci.apply({"network": [Set("lan", "proto", "dhcp")], "nothing": [Add("a")]})
    (uci.confdir / "broken").write_text("config a\nconfig 'b\n")
    with pytest.raises(UciError, match="broken:2: EOF with unterminated '"):
        uci.apply({"network": [Set("lan", "proto", "dhcp")], "broken": [Add("a")]})
    assert (uci.confdir / "network").read_text() == NETWORK


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\t\n\r'\"\\#; "), min_size=1
)
identifiers = st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True)
options = st.dictionaries(identifiers, texts | st.lists(texts, min_size=1, max_size=3), max_size=4)
kinds = st.from_regex(r"[!-~]{1,8}", fullmatch=True)


@given(st.lists(st.tuples(st.none() | identifiers.map("named_{}".format), kinds, options), max_size=5))
def test_what_is_written_reads_back(content: list[tuple[str | None, str, Any]]) -> None:
    unique = {name or f"#{i}": (name, kind, values) for i, (name, kind, values) in enumerate(content)}
    sections = [
        Section(name or anonymous_name(position, kind), kind, name is None, values)
        for position, (name, kind, values) in enumerate(unique.values(), 1)
    ]
    assert parse(Path("x"), render(sections)).sections == sections


# Owner, mode, links


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_the_mode_stays(uci: Uci, mode: int) -> None:
    (uci.confdir / "network").chmod(mode)
    uci.apply({"network": [Set("lan", "proto", "dhcp")]})
    assert stat.S_IMODE((uci.confdir / "network").stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_the_owner_stays(uci: Uci) -> None:
    os.chown(uci.confdir / "network", 1234, 4321)
    uci.apply({"network": [Set("lan", "proto", "dhcp")]})
    status = (uci.confdir / "network").stat()
    assert (status.st_uid, status.st_gid) == (1234, 4321)


def test_a_symbolic_link_stays_one(uci: Uci, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = (uci.confdir / "network").rename(tmp_path / "elsewhere" / "net")
    (uci.confdir / "network").symlink_to(target)
    uci.apply({"network": [Set("lan", "proto", "dhcp")]})
    assert (uci.confdir / "network").is_symlink()
    assert "dhcp" in target.read_text()


# Other files in the same transaction


def test_files_that_belong_to_the_change(uci: Uci, tmp_path: Path) -> None:
    state = tmp_path / "state"
    applied = uci.apply(
        {"network": [Add("interface")]}, files=lambda done: {state: repr(done.created["network"]).encode()}
    )
    assert state.read_text() == repr(applied.created["network"])
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    uci.apply({}, files={state: b"alone"})
    assert state.read_bytes() == b"alone"


def test_a_file_that_cannot_be_written_undoes_everything(uci: Uci, tmp_path: Path) -> None:
    with pytest.raises(UciError, match="nothing was changed: No such file"):
        uci.apply({"network": [Delete("lan")]}, files={tmp_path / "no" / "where": b""})
    with pytest.raises(UciError, match="must be an absolute path"):
        uci.apply({"network": [Delete("lan")]}, files={Path("relative"): b""})
    assert (uci.confdir / "network").read_text() == NETWORK
    assert sorted(path.name for path in uci.confdir.iterdir()) == ["firewall", "network"]


# What others have saved and not committed


def test_saved_changes_are_neither_lost_nor_committed(uci: Uci) -> None:
    delta = uci.savedir / "network"
    delta.write_text("network.lan.netmask='255.255.0.0'\n")
    uci.apply({"network": [Set("lan", "ipaddr", "10.0.0.1")]})
    assert delta.read_text() == "network.lan.netmask='255.255.0.0'\n"
    assert "netmask" not in committed(uci, "network")["lan"].options
    assert uci.load("network").sections["lan"].options == {
        "proto": "static",
        "ipaddr": "10.0.0.1",
        "netmask": "255.255.0.0",
    }


def test_saved_changes_of_anonymous_sections_stay_with_their_section(uci: Uci) -> None:
    """Deleting the first rule moves the others up; a saved change of one of them still means that one."""
    before = names(uci)
    (uci.savedir / "firewall").write_text(f"firewall.{before['b']}.target='DROP'\n")
    applied = uci.apply({"firewall": [Delete(before["a"])]})
    rules = {section.options.get("name"): section for section in uci.load("firewall").sections.values()}
    assert rules["b"].options["target"] == "DROP"
    assert "target" not in rules["c"].options
    assert rules["b"].name == before["b"]
    assert before["b"] not in applied.renamed.get("firewall", {})


def test_a_name_kept_for_a_saved_change_is_given_to_nobody_else(uci: Uci) -> None:
    (uci.confdir / "firewall").write_text(
        "".join(f"config rule\n\toption name '{name}'\n" for name in "abcd")
    )
    before = names(uci)
    (uci.savedir / "firewall").write_text(f"firewall.{before['b']}.target='DROP'\n")
    applied = uci.apply({"firewall": [Delete(before["a"])]})
    after = names(uci)
    assert len(set(after.values())) == 3
    assert {old: new for old, new in before.items() if old != "a" and after[old] != new} == {}
    assert applied.renamed == {}


def test_a_new_section_does_not_take_the_name_of_a_saved_one(uci: Uci) -> None:
    saved = anonymous_name(5, "rule")
    (uci.savedir / "firewall").write_text(f"+firewall.{saved}='rule'\nfirewall.{saved}.name='saved'\n")
    applied = uci.apply({"firewall": [Add("rule", None, {"name": "ours"})]})
    assert names(uci)["saved"] == saved
    assert names(uci)["ours"] == applied.created["firewall"][0] != saved


# Side by side with libuci


def test_a_lock_that_another_holds_is_waited_for(uci: Uci) -> None:
    with (uci.confdir / "network").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UciError, match="another process has it locked; gave up"):
            uci.apply({"network": [Set("lan", "proto", "dhcp")]})
        assert (uci.confdir / "network").read_text() == NETWORK
    uci.apply({"network": [Set("lan", "proto", "dhcp")]})


def test_a_commit_of_another_that_is_about_to_be_renamed_is_waited_for(uci: Uci) -> None:
    unfinished = uci.confdir / ".network.uci-Ab12Cd"
    unfinished.write_text("")
    with pytest.raises(UciError, match="another process is committing it; gave up"):
        uci.apply({"network": [Set("lan", "proto", "dhcp")]})
    os.utime(unfinished, (1, 1))
    uci.apply({"network": [Set("lan", "proto", "dhcp")]})


def test_who_waited_for_the_old_file_reads_the_new_content(uci: Uci) -> None:
    with (uci.confdir / "network").open("r+b") as waiting:
        uci.apply({"network": [Set("lan", "proto", "dhcp")]})
        assert waiting.read() == (uci.confdir / "network").read_bytes()


def test_changes_from_many_threads_are_all_there(uci: Uci) -> None:
    patient = Uci(uci.confdir, uci.savedir)
    threads = [
        threading.Thread(target=patient.apply, args=({"network": [Set("lan", f"o{n}", str(n))]},))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"o{n}": str(n) for n in range(8)}.items() <= committed(uci, "network")["lan"].options.items()


# A kill between any two file operations


class Killed(FileOps):
    """Kills the process right before its n-th file operation, or halfway through it."""

    def __init__(self, fatal: int, *, halfway: bool = False) -> None:
        self.left = fatal
        self.halfway = halfway

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name in ("left", "halfway", "fatal") or name.startswith("_"):
            return value
        return lambda *args: self._count(name, value, args)

    def _count(self, name: str, operation: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self.left -= 1
        if self.left < 0:
            if self.halfway and name in ("write", "overwrite"):
                operation(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return operation(*args)


def in_child(action: Callable[[], object]) -> int:
    """Run in a forked process; the signal that killed it, or 0."""
    child = os.fork()
    if not child:
        try:
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


CHANGES: dict[str, list[Change]] = {
    "network": [Set("lan", "ipaddr", "10.0.0.1"), Add("interface", "wan")],
    "firewall": [Delete("@rule[0]"), Set("@rule[0]", "target", "DROP")],
}


@pytest.mark.parametrize("halfway", [False, True])
def test_killed_at_every_file_operation_all_is_old_or_all_is_new(tmp_path: Path, halfway: bool) -> None:
    outcomes: list[str] = []
    for fatal in range(200):
        base = tmp_path / str(fatal)
        uci = _router(base)
        killed = in_child(
            lambda uci=uci, base=base, fatal=fatal: _apply(uci, base, Killed(fatal, halfway=halfway))
        )
        for again in range(20):  # and killed at every operation of the recovery as well
            rescue = in_child(Uci(uci.confdir, uci.savedir, file_ops=Killed(again)).recover)
            if not rescue:
                break
        outcomes.append(_state(base))
        assert sorted(path.name for path in uci.confdir.iterdir()) == ["firewall", "network"]
        if not killed:
            break
    assert not killed, "the transaction must end within 200 operations"
    assert len(outcomes) > 25
    decision = outcomes.index("new")
    assert outcomes == ["old"] * decision + ["new"] * (len(outcomes) - decision)


@pytest.mark.parametrize("backend", ["pure", None])
def test_load_by_itself_finishes_what_was_cut_off(tmp_path: Path, backend: str | None) -> None:
    for fatal in range(200):
        base = tmp_path / str(fatal)
        uci = _router(base)
        killed = in_child(lambda uci=uci, base=base, fatal=fatal: _apply(uci, base, Killed(fatal)))
        reader = Uci(uci.confdir, uci.savedir, backend=backend)
        new = "wan" in reader.load("network").sections
        assert new == (len(reader.load("firewall").sections) == 3)
        assert _state(base) == ("new" if new else "old")
        if not killed:
            break
    assert new


def test_recovery_does_without_a_directory_that_has_gone(uci: Uci, tmp_path: Path) -> None:
    (uci.confdir / ".network.ubuskit").write_text("config interface 'recovered'\n")
    journal = uci.confdir / ".ubuskit-journal"
    journal.write_text(
        json.dumps({"version": 1, "replace": [f"{uci.confdir}/network", f"{tmp_path}/gone/state"]})
    )
    assert list(uci.load("network").sections) == ["recovered"]
    assert not journal.exists()


class Failing(FileOps):
    """A file system that refuses one operation from its n-th use on."""

    def __init__(self, operation: str, after: int) -> None:
        self.calls = 0
        real = getattr(super(), operation)

        def refuse(*args: Any) -> Any:
            self.calls += 1
            if self.calls > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        setattr(self, operation, refuse)


@pytest.mark.parametrize(
    ("operation", "after"), [("create", 1), ("write", 2), ("sync", 0), ("sync", 4), ("rename", 0)]
)
def test_an_error_before_the_decision_changes_nothing(tmp_path: Path, operation: str, after: int) -> None:
    uci = _router(tmp_path)
    with pytest.raises(UciError, match="nothing was changed: No space left"):
        _apply(uci, tmp_path, Failing(operation, after))
    assert _state(tmp_path) == "old"
    assert sorted(path.name for path in uci.confdir.iterdir()) == ["firewall", "network"]


@pytest.mark.parametrize(("operation", "after"), [("rename", 1), ("rename", 2), ("unlink", 0)])
def test_an_error_after_the_decision_is_made_up_for_on_the_next_use(
    tmp_path: Path, operation: str, after: int
) -> None:
    uci = _router(tmp_path)
    with pytest.raises(UciError, match="cut short, will be finished on the next use"):
        _apply(uci, tmp_path, Failing(operation, after))
    uci.load("network")
    assert _state(tmp_path) == "new"


def test_a_damaged_journal_is_set_aside(uci: Uci, caplog: pytest.LogCaptureFixture) -> None:
    (uci.confdir / ".ubuskit-journal").write_text("{")
    assert "lan" in uci.load("network").sections
    assert "not readable, set aside" in caplog.text
    assert (uci.confdir / ".ubuskit-journal.damaged").exists()


def test_a_journal_of_another_version_is_not_touched(uci: Uci) -> None:
    (uci.confdir / ".ubuskit-journal").write_text('{"version": 2, "replace": []}')
    with pytest.raises(UciError, match="written by another version"):
        uci.load("network")


def _router(base: Path) -> Uci:
    for directory in ("config", "save"):
        (base / directory).mkdir(parents=True)
    (base / "config" / "network").write_text(NETWORK)
    (base / "config" / "firewall").write_text(FIREWALL)
    (base / "state").write_text("old")
    return Uci(base / "config", base / "save")


def _apply(uci: Uci, base: Path, ops: FileOps) -> None:
    Uci(uci.confdir, uci.savedir, file_ops=ops).apply(CHANGES, files={base / "state": b"new"})


def _state(base: Path) -> str:
    """All old, all new, or what it is."""
    network, firewall = ((base / "config" / name).read_text() for name in ("network", "firewall"))
    state = (base / "state").read_text()
    if (network, firewall, state) == (NETWORK, FIREWALL, "old"):
        return "old"
    new = "config interface 'wan'" in network and "DROP" in firewall and firewall.count("config rule") == 2
    return "new" if new and "10.0.0.1" in network and state == "new" else f"{network}{firewall}{state}"
