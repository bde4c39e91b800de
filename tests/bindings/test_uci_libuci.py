"""UCI held against the original: libuci itself on generated files, and the real ``uci`` command beside us."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ubuskit.uci import Add, Delete, FileOps, Section, Set, Uci, UciError, _pure, backends

PROJECT = Path(__file__).parents[2]

Command = Callable[..., str]


# Generated files, libuci against ours

native = pytest.mark.skipif("native" not in backends(), reason="ubuskit's native backend is not built")

WORDS = r"""
config option list package c o l p a b name x_1 bad-name @a cfg01b606 1 2 - Ã©
'' "" "q" 'it'\''s' "x\"y" a'b"c"d 'x'y # a#b ; a;b 'a'; a\;b "a;" ' " \ \' \\
"""
words = st.sampled_from(WORDS.split()) | st.sampled_from(
    ["'a b'", "a\\ b", "# note", "'two\nlines'", "up\\\ndown", "\r", "\t", "\v", '"\\\n"', " ; ", "\\\r\n"]
)
lines = st.lists(words, max_size=6).map(" ".join) | st.tuples(
    st.sampled_from(["config ", "\toption ", "\tlist ", "option\t", " c ", "o  "]), words, st.just(" "), words
).map("".join)
files = st.lists(lines, max_size=8).map("\n".join).flatmap(lambda text: st.sampled_from([text, text + "\n"]))
deltas = st.lists(
    st.tuples(
        st.sampled_from(["", "+", "-", "@", "^", "|", "~", " ", "x"]),
        st.sampled_from(["t.", "t.", "t.", "u.", ""]),
        st.sampled_from(["name", "a", "cfg01b606", "cfg03b607", "new", "@a[0]", "-", ""]),
        st.sampled_from(["", "", ".a", ".b", ".name", ".new", ".bad-name", ".a.b", "."]),
        st.sampled_from(
            ["", "=", "='1'", "=1", "='a b'", "=''", "='x", "=a", "='it'\\''s'", "='0' ", "='\n'", "=b"]
        ),
    ).map("".join),
    max_size=5,
).map(lambda lines: "".join(line + "\n" for line in lines))


def _ours(path: Path, text: str, delta: str) -> list[Section] | None:
    try:
        return _pure.load(path, text.encode(), delta.encode())
    except UciError:
        return None


def _unordered(sections: list[Section] | None) -> list[object] | None:
    """Options as a set: versions of libuci differ in where a changed option goes."""
    if sections is None:
        return None
    return [
        (s.name, s.type, s.anonymous, sorted(s.options.items(), key=lambda item: item[0])) for s in sections
    ]


def _compare(text: str, delta: str) -> None:
    from ubuskit.uci import _native

    with tempfile.TemporaryDirectory() as name:
        confdir, savedir = Path(name, "config"), Path(name, "save")
        confdir.mkdir()
        savedir.mkdir()
        (confdir / "t").write_bytes(text.encode())
        (savedir / "t").write_bytes(delta.encode())
        theirs = _native.load(confdir, savedir, "t")
    if theirs is None and "@" in delta:
        return  # two options renamed to one name, which the native backend leaves to the pure one
    assert _unordered(_ours(Path("t"), text, delta)) == _unordered(theirs)


@native
@settings(max_examples=600)
@given(files)
@example("config a\n\toption b c;option d e\n")
@example("config a;config b\n")
@example("config a 'x' ;\n")
@example("config a\n\toption b 'c';\n")
@example("config a\n\toption b \\\n c\n")
def test_files_are_read_as_libuci_reads_them(text: str) -> None:
    _compare(text, "")


@native
@settings(max_examples=600)
@given(deltas)
def test_saved_changes_are_read_as_libuci_reads_them(delta: str) -> None:
    _compare(
        "config a\n\toption a '1'\n\tlist b 'x'\n\tlist b 'y'\nconfig a 'name'\n\toption name 'z'\nconfig b\n",
        delta,
    )


# The command beside us


@pytest.fixture
def uci_command(tmp_path: Path) -> Command:
    """The ``uci`` command on our directories: UCI=/path/to/uci, the one of the path, or the one make native built."""
    built = PROJECT / "build" / "native" / "usr" / "bin" / "uci"
    program = os.environ.get("UCI") or shutil.which("uci") or (str(built) if built.exists() else None)
    if program is None:
        if os.environ.get("CWMP_REQUIRE_NATIVE"):
            pytest.fail("no uci command, and CWMP_REQUIRE_NATIVE is set")
        pytest.skip("no uci command: set UCI=/path/to/uci or run make native")
    environment = {**os.environ}
    library = Path(program).parents[1] / "lib"
    if os.environ.get("UCI") and (library / "libuci.so").exists():
        environment["LD_LIBRARY_PATH"] = str(library)

    def run(*arguments: str) -> str:
        command = [program, "-c", str(tmp_path / "config"), "-t", str(tmp_path / "save"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    return run


@pytest.fixture(params=backends())
def uci(request: pytest.FixtureRequest, tmp_path: Path) -> Uci:
    (tmp_path / "config").mkdir()
    (tmp_path / "save").mkdir()
    return Uci(tmp_path / "config", tmp_path / "save", backend=request.param)


def test_both_see_the_same_names_and_values(uci: Uci, uci_command: Command) -> None:
    shutil.copy(Path(__file__).parent / "data" / "uci" / "quoting", uci.confdir)
    loaded = uci.load("quoting")
    shown = re.findall(r"(?m)^quoting\.([A-Za-z0-9_]+)=(.*)$", uci_command("-X", "show", "quoting"))
    assert shown == [(section.name, section.type) for section in loaded.sections.values()]
    for section in loaded.sections.values():
        for option, value in section.options.items():
            if isinstance(value, str):
                assert uci_command("get", f"quoting.{section.name}.{option}") == value + "\n"


def test_what_we_write_the_command_writes_back_unchanged(uci: Uci, uci_command: Command) -> None:
    (uci.confdir / "test").write_text("")
    uci.apply(
        {
            "test": [
                Add(
                    "a",
                    "one",
                    {"quote": "it's", "lines": "x\ny", "list": ["a b", "'"], "umlaut": "ü", "hash": "#;\\"},
                ),
                Add("b", None, {"x": "1"}),
                Add("b", None, {"x": "2"}),
            ]
        }
    )
    text = (uci.confdir / "test").read_text()
    assert uci_command("export", "test") == "package test\n" + text
    uci_command("set", "test.one.new=1")
    uci_command("commit", "test")
    uci.apply({"test": [Delete("one", "new")]})
    assert (uci.confdir / "test").read_text() == text


def test_what_the_command_saves_and_commits_we_see(uci: Uci, uci_command: Command) -> None:
    (uci.confdir / "test").write_text("config a 'one'\n\tlist l '1'\n")
    added = uci_command("add", "test", "b").strip()
    uci_command("set", f"test.{added}.x=it's")
    uci_command("add_list", "test.one.l=2")
    uci_command("set", "test.two=c")
    uci_command("rename", "test.two=three")
    saved = uci.load("test")
    assert saved.sections[added].anonymous and saved.sections[added].options == {"x": "it's"}
    assert saved.sections["one"].options == {"l": ["1", "2"]}
    assert not saved.sections["three"].anonymous
    uci.apply({"test": [Set("one", "ours", "1")]})
    assert uci_command("get", f"test.{added}.x") == "it's\n"
    uci_command("commit", "test")
    assert (uci.savedir / "test").read_text() == ""
    after = uci.load("test").sections
    assert after["one"].options == {"l": ["1", "2"], "ours": "1"}
    assert after[added].options == {"x": "it's"}


def test_a_commit_that_waits_while_its_file_is_replaced(uci: Uci, uci_command: Command) -> None:
    """It gets the lock of a file that has gone; neither its change nor any of ours may be lost."""
    (uci.confdir / "test").write_text("config a 'one'\n")
    uci_command("set", "test.one.theirs=1")
    commit = threading.Thread(target=uci_command, args=("commit", "test"))
    inode = (uci.confdir / "test").stat().st_ino

    class CommitMeanwhile(FileOps):
        def rename(self, source: Path, target: Path) -> None:
            if target.name == "test":
                commit.start()
                for _ in range(100_000):
                    if re.search(rf"-> FLOCK .*:{inode} ", Path("/proc/locks").read_text()):
                        break
                    os.sched_yield()
                else:
                    pytest.skip("/proc/locks does not tell who waits here")
            super().rename(source, target)

    Uci(uci.confdir, uci.savedir, file_ops=CommitMeanwhile()).apply({"test": [Set("one", "first", "1")]})
    uci.apply({"test": [Set("one", "second", "1")]})
    commit.join()
    assert (uci.savedir / "test").read_text() == ""
    assert set(uci.load("test").sections["one"].options) == {"theirs", "first", "second"}


def test_commits_of_both_at_once_are_all_there(uci: Uci, uci_command: Command) -> None:
    (uci.confdir / "test").write_text("config a 'one'\n")
    rounds = 25

    def ours() -> None:
        for n in range(rounds):
            uci.apply({"test": [Set("one", f"ours_{n}", "1")]})

    thread = threading.Thread(target=ours)
    thread.start()
    for n in range(rounds):
        uci_command("set", f"test.one.theirs_{n}=1")
        uci_command("commit", "test")
    thread.join()
    assert (uci.savedir / "test").read_text() == ""
    options = uci.load("test").sections["one"].options
    assert set(options) == {f"{who}_{n}" for who in ("ours", "theirs") for n in range(rounds)}
