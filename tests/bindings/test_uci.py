"""UCI packages read: one contract for every backend that is there."""

import fcntl
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from ubuskit.uci import Package, PackageNotFound, Section, Uci, UciError, backends

DATA = Path(__file__).parent / "data" / "uci"


@pytest.fixture
def confdir(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "save").mkdir()
    return tmp_path / "config"


@pytest.fixture(params=backends())
def uci(request: pytest.FixtureRequest, confdir: Path) -> Uci:
    return Uci(confdir, confdir.parent / "save", backend=request.param, lock_timeout=0.05)


def write(uci: Uci, text: str | bytes, package: str = "test") -> None:
    (uci.confdir / package).write_bytes(text.encode() if isinstance(text, str) else text)


def save(uci: Uci, text: str | bytes, package: str = "test") -> None:
    (uci.savedir / package).write_bytes(text.encode() if isinstance(text, str) else text)


def sections(package: Package) -> list[tuple[str, str, bool, dict[str, str | list[str]]]]:
    return [(s.name, s.type, s.anonymous, s.options) for s in package.sections.values()]


def test_native_backends_are_there_where_they_must_be() -> None:
    if os.environ.get("CWMP_REQUIRE_NATIVE"):
        assert backends() == ("native", "pyuci", "pure")
    assert backends()[-1] == "pure"


def test_a_backend_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shell is no UCI backend: native, pyuci, pure"):
        Uci(tmp_path, tmp_path, backend="shell")


def test_named_and_anonymous_sections_in_the_order_of_the_file(uci: Uci) -> None:
    write(
        uci,
        "config system\n\toption hostname 'OpenWrt'\n\nconfig timeserver 'ntp'\n\tlist server 'a'\n"
        "\tlist server 'b'\n"
        "\nconfig rule\n\nconfig rule\n\toption x '1'\n",
    )
    package = uci.load("test")
    assert package.name == "test"
    assert sections(package) == [
        ("cfg01e48a", "system", True, {"hostname": "OpenWrt"}),
        ("ntp", "timeserver", False, {"server": ["a", "b"]}),
        ("cfg0392bd", "rule", True, {}),
        ("cfg0492bd", "rule", True, {"x": "1"}),
    ]


def test_every_form_of_quoting(uci: Uci) -> None:
    shutil.copy(DATA / "quoting", uci.confdir)
    package = uci.load("quoting")
    assert package.sections["first"].options == {
        "bare": "word",
        "single": "one two",
        "double": "one two",
        "joined": "one two threefour",
        "quote": "it's",
        "escaped": "one two\\three",
        "in_double": "say \"hi\" \\ 'there' n",
        "hash_inside": "a#b",
        "hash_cut": "a",
        "tabs": "x",
        "semicolon": "a;b",
        "lines": "first\nsecond",
        "continued": "onetwo",
        "double_lines": "first second\nthird",
        "umlaut": "Zürich",
        "items": ["a b", "c", "d"],
        "turned": ["string", "then a list"],
        "again": "new",
        "merged": "into the first",
    }
    rest = [section for section in package.sections.values() if section.name != "first"]
    assert [(section.type, section.options) for section in rest] == [
        ("plain", {"short": "yes", "many": ["1", "2"]}),
        ("quoted", {"a": "x", "b": "y", "c": "z"}),
        ("crlf", {"ends": "with"}),
        ("last", {"without": "newline"}),
    ]


def test_resolve(uci: Uci) -> None:
    write(uci, "config a\nconfig b 'named'\nconfig a\nconfig a\n")
    package = uci.load("test")
    names = list(package.sections)

    def name(query: str) -> str | None:
        section = package.resolve(query)
        return section.name if section else None

    assert [name(f"@a[{n}]") for n in (0, 1, 2, -1, -3)] == [names[0], names[2], names[3], names[3], names[0]]
    assert [name("@b[0]"), name("@[1]"), name("@[-1]"), name("named")] == [
        "named",
        "named",
        names[3],
        "named",
    ]
    assert [name(query) for query in ("@a[3]", "@a[-4]", "@c[0]", "@a", "@a[x]", "nobody", "@a[0]x")] == [
        None
    ] * 7


def test_values_that_are_not_utf8(uci: Uci) -> None:
    write(uci, b"config a 'x'\n\toption v '\xff\xfe'\n\tlist w '\xc3'\n")
    assert uci.load("test").sections["x"].options == {"v": "\udcff\udcfe", "w": ["\udcc3"]}


def test_an_empty_package(uci: Uci) -> None:
    write(uci, "\n# nothing\n")
    assert uci.load("test").sections == {}


def test_packages(uci: Uci) -> None:
    for name in ("network", "dhcp", "my-package", "with.dot", ".hidden"):
        write(uci, "", name)
    (uci.confdir / "directory").mkdir()
    assert uci.packages() == ["dhcp", "my-package", "network"]


def test_packages_of_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UciError, match="nowhere: No such file"):
        Uci(tmp_path / "nowhere").packages()


# Errors


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("config a\noption\n", 2, "invalid command"),
        ("config a\n\toption x 'y\n\toption z 1\n", 2, "EOF with unterminated '"),
        ('config a\n\n\toption x "y\n', 3, 'EOF with unterminated "'),
        ("\noption x y\n", 2, "option before the first section"),
        ("config a\nconfig\tb 'bad name'\n", 2, "invalid character in the section's name"),
        ("config a\n\toption bad-name 1\n", 2, "invalid character in the name of the option"),
        ("config a\n\tlist bad.name 1\n", 2, "invalid character in the name of the list"),
        ("config 'a b'\n", 1, "invalid character in the section's type"),
        ("config a b c\n", 1, "too many arguments"),
        ("config a\n\toption x y z\n", 2, "too many arguments"),
        ("config ''\n", 1, "config without a name or type"),
        ("config a\n  option  \n", 2, "option without a name or type"),
        ("config a\n\toption '' 'x'\n", 2, "option without a name or type"),
        ("config a x\nconfig b x\n", 2, "another type has the same name"),
        ("config a\n\nfoo bar\n", 3, "invalid command"),
        ("<html>\n", 1, "invalid command"),
        ("config a\n'option' x y\n", 2, "invalid command"),
    ],
)
def test_a_syntax_error_names_file_line_and_reason(uci: Uci, text: str, line: int, reason: str) -> None:
    write(uci, text)
    with pytest.raises(UciError) as caught:
        uci.load("test")
    error = caught.value
    assert (error.file, error.line) == (str(uci.confdir / "test"), line)
    assert reason in error.reason
    assert str(error) == f"{error.file}:{line}: {error.reason}"


def test_a_package_that_is_not_there(uci: Uci) -> None:
    with pytest.raises(PackageNotFound) as caught:
        uci.load("nothing")
    assert str(caught.value) == f"{uci.confdir / 'nothing'}: there is no such package"
    (uci.confdir / "directory").mkdir()
    with pytest.raises(PackageNotFound):
        uci.load("directory")


@pytest.mark.parametrize(
    "name", ["", "../passwd", "a/b", ".", "..", "a b", "/etc/passwd", "ü", "a\0b", "a\n"]
)
def test_a_name_that_is_none(uci: Uci, name: str) -> None:
    with pytest.raises(UciError, match="cannot be the name of a package"):
        uci.load(name)


def test_values_never_appear_in_an_error(uci: Uci) -> None:
    write(uci, "config a\n\toption password 'hunter2\n")
    with pytest.raises(UciError) as caught:
        uci.load("test")
    assert "hunter2" not in repr(caught.value)


# What others have saved and not committed

COMMITTED = "config rule\n\toption a '1'\nconfig zone 'lan'\n\toption b '2'\n\tlist c 'x'\n\tlist c 'y'\n"


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ("test.lan.b='3'\n", {"lan": {"b": "3", "c": ["x", "y"]}}),
        ("test.lan.n='it'\\''s new'\n", {"lan": {"b": "2", "c": ["x", "y"], "n": "it's new"}}),
        ("test.lan.b=bare\n", {"lan": {"b": "bare", "c": ["x", "y"]}}),
        ("test.lan.b='two\nlines'\n", {"lan": {"b": "two\nlines", "c": ["x", "y"]}}),
        ("test.cfg0192bd.a='9'\n", {"cfg0192bd": {"a": "9"}}),
        ("-test.lan.b\n", {"lan": {"c": ["x", "y"]}}),
        ("-test.lan\n", {"lan": None}),
        ("-test.lan.c='0'\n", {"lan": {"b": "2", "c": ["y"]}}),
        ("test.lan.b=''\n", {"lan": {"c": ["x", "y"]}}),
        ("|test.lan.c='z'\n", {"lan": {"b": "2", "c": ["x", "y", "z"]}}),
        ("|test.lan.b='z'\n", {"lan": {"b": ["2", "z"], "c": ["x", "y"]}}),
        ("~test.lan.c='x'\n", {"lan": {"b": "2", "c": ["y"]}}),
        ("test.new='zone'\ntest.new.q='1'\n", {"new": {"q": "1"}}),
        ("+test.cfg03abcd='zone'\ntest.cfg03abcd.q='1'\n", {"cfg03abcd": {"q": "1"}}),
        ("@test.lan='wan'\n", {"lan": None, "wan": {"b": "2", "c": ["x", "y"]}}),
        ("@test.lan.b='renamed'\n", {"lan": {"renamed": "2", "c": ["x", "y"]}}),
        ("test.lan.c='string'\n", {"lan": {"b": "2", "c": "string"}}),
        # what libuci skips
        ("test.nobody.b='3'\n", {"nobody": None}),
        ("other.lan.b='3'\n", {"lan": {"b": "2", "c": ["x", "y"]}}),
        ("test.lan.b='3' junk\n", {"lan": {"b": "2", "c": ["x", "y"]}}),
        ("test.lan.b\n", {"lan": {"b": "2", "c": ["x", "y"]}}),
        ("garbage\n\n# more\ntest.lan.b='3'\n", {"lan": {"b": "3", "c": ["x", "y"]}}),
        ("test.@zone[0].b='3'\n", {"lan": {"b": "2", "c": ["x", "y"]}}),
        ("test.lan.b='3'\ntest.lan.b='unterminated\n", {"lan": {"b": "3", "c": ["x", "y"]}}),
    ],
)
def test_saved_changes_are_seen(
    uci: Uci, delta: str, expected: dict[str, dict[str, str | list[str]] | None]
) -> None:
    write(uci, COMMITTED)
    save(uci, delta)
    loaded = uci.load("test").sections
    for name, options in expected.items():
        assert (loaded[name].options if name in loaded else None) == options


def test_saved_sections_are_anonymous_or_not_as_they_were_added(uci: Uci) -> None:
    write(uci, COMMITTED)
    save(uci, "+test.cfg0392bd='rule'\ntest.named='rule'\n@test.cfg0192bd='was_anonymous'\n")
    loaded = uci.load("test").sections
    assert [(section.name, section.anonymous) for section in loaded.values()] == [
        ("was_anonymous", False),
        ("lan", False),
        ("cfg0392bd", True),
        ("named", False),
    ]


def test_saved_order(uci: Uci) -> None:
    write(uci, COMMITTED + "config zone 'wan'\n")
    save(uci, "^test.wan='0'\n")
    assert list(uci.load("test").sections) == ["wan", "cfg0192bd", "lan"]


def test_a_delta_that_is_no_file_is_none(uci: Uci) -> None:
    write(uci, COMMITTED)
    (uci.savedir / "test").mkdir()
    assert len(uci.load("test").sections) == 2


def test_two_savedirs_do_not_mix(uci: Uci, tmp_path: Path) -> None:
    write(uci, COMMITTED)
    save(uci, "-test.lan\n")
    (tmp_path / "other").mkdir()
    assert "lan" in Uci(uci.confdir, tmp_path / "other", backend=uci.backend).load("test").sections


# Locks


def test_a_file_locked_by_a_writer_is_waited_for(uci: Uci) -> None:
    write(uci, COMMITTED)
    with (uci.confdir / "test").open("r+b") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(UciError, match="another process has it locked; gave up"):
            uci.load("test")
        patient = Uci(uci.confdir, uci.savedir, backend=uci.backend)
        found: list[Section] = []
        thread = threading.Thread(target=lambda: found.extend(patient.load("test").sections.values()))
        thread.start()
        writer.write(b"config changed 'while'  \n")
        writer.truncate()
        writer.flush()
        fcntl.flock(writer, fcntl.LOCK_UN)
        thread.join()
    assert [section.name for section in found] == ["while"]


def test_saved_changes_locked_by_a_writer_are_waited_for(uci: Uci) -> None:
    write(uci, COMMITTED)
    save(uci, "-test.lan\n")
    with (uci.savedir / "test").open("r+b") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(UciError, match="save/test: another process has it locked; gave up"):
            uci.load("test")


def test_a_file_of_absurd_size_is_refused(uci: Uci) -> None:
    with (uci.confdir / "test").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UciError, match="1073741824 bytes are too many"):
        uci.load("test")


def test_readers_do_not_exclude_each_other(uci: Uci) -> None:
    write(uci, COMMITTED)
    with (uci.confdir / "test").open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        assert "lan" in uci.load("test").sections


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_may_not_see_what_others_saved_sees_what_is_committed() -> None:
    """libuci saves changes as 0600 files of whoever makes them; an unprivileged reader must not fail for that."""
    with tempfile.TemporaryDirectory() as directory:  # pytest keeps its own from other users
        os.chmod(directory, 0o755)
        confdir, savedir = Path(directory, "config"), Path(directory, "saved")
        for each in (confdir, savedir):
            each.mkdir(mode=0o755)
        (confdir / "cwmp").write_text("config cwmp 'cwmp'\n\toption acs_url 'http://committed/'\n")
        (savedir / "cwmp").write_text("cwmp.cwmp.acs_url='http://saved/'\n")
        (savedir / "cwmp").chmod(0o600)
        for backend in backends():
            child = os.fork()
            if child == 0:
                os.setgid(65534)
                os.setuid(65534)
                package = Uci(confdir, savedir, backend=backend).load("cwmp")
                os._exit(0 if package.sections["cwmp"].options["acs_url"] == "http://committed/" else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, backend
            assert (
                Uci(confdir, savedir, backend=backend).load("cwmp").sections["cwmp"].options["acs_url"]
                == "http://saved/"
            )
