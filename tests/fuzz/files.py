"""What is read from files: UCI by both readers, the configuration, mapping files, images, archives of the ACS."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.engine import Target

from cwmp.contract import Fault
from cwmp.datamodel.loader import load_files
from cwmp.firmware import archive, image
from cwmp.firmware.modules import apk, opkg
from cwmp.runtime import config
from ubuskit.uci import Uci, UciError


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


def uci(data: bytes) -> None:
    """Committed text, and after a line of `%%` a saved change: whatever reader is in use, what Python alone reads."""
    text, _, delta = data.partition(b"%%\n")
    with _directory() as top:
        (top / "config").mkdir()
        (top / "saved").mkdir()
        (top / "config/cwmp").write_bytes(text)
        if delta:
            (top / "saved/cwmp").write_bytes(delta)
        found = [_loaded(top, backend) for backend in (None, "pure")]
        assert found[0] == found[1]
        loaded, problems = config.load(Uci(top / "config", top / "saved"), top / "config")
        assert all(len(str(problem)) < 5000 for problem in problems)
        assert repr(loaded)


def _loaded(top: Path, backend: str | None) -> object:
    """Sections in their order; options, whose order libuci changes where a saved change sets one, in any."""
    try:
        package = Uci(top / "config", top / "saved", backend=backend).load("cwmp")
    except UciError as error:
        return f"{type(error).__name__}: {error}"
    return [(s.name, s.type, s.anonymous, s.options) for s in package.sections.values()]


def mapping(data: bytes) -> None:
    """A mapping file: mistakes are listed, what is left is a tree."""
    with _directory() as top:
        (top / "Fuzz.toml").write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # of a regular expression that will mean something else
            model, problems = load_files([top / "Fuzz.toml"])
        for node in model.objects():
            assert node.template.endswith(".")
            assert node.needs() is not None
        assert all(str(problem) for problem in problems)


def metadata(data: bytes) -> None:
    """A firmware image says a version, or nothing."""
    with _directory() as top:
        (top / "image").write_bytes(data)
        assert isinstance(image.version_of(top / "image"), str)


def content(data: bytes) -> None:
    """An archive with web content: nothing is ever outside its directory, and what was there stays if it is none."""

    def unpack(source: Path, top: Path) -> None:
        archive.unpack(source, top / "www/ours", lambda _: 1 << 20)

    _unpacked(data, unpack)


def backup(data: bytes) -> None:
    """A vendor configuration file: taken over without what is not the ACS's to set."""

    def copy(source: Path, top: Path) -> None:
        archive.copy_backup(source, top / "copy.tar.gz", "etc/cwmp")
        archive.copy_backup(top / "copy.tar.gz", top / "again.tar.gz", "etc/cwmp")

    _unpacked(data, copy)


def package(data: bytes) -> None:
    """What opkg is to install, as it came, and as the control archive in a package that is whole."""
    with _directory() as top:
        for content in (data, _ipk(data)):
            (top / "package").write_bytes(content)
            try:
                found = opkg.examine(top / "package")
            except Fault as fault:
                assert len(fault.text) < 400
            else:
                assert all(isinstance(value, str) for value in found.values())
        text = data.decode("utf-8", "replace")
        assert all(entry for entry in opkg.paragraphs(text))
        assert all("P" in fields for fields, _ in apk._database(text))


def _ipk(control: bytes) -> bytes:
    inner, outer = gzip.compress(control, 1, mtime=0), io.BytesIO()
    with tarfile.open(fileobj=outer, mode="w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("./control.tar.gz")
        member.size = len(inner)
        archive.addfile(member, io.BytesIO(inner))
    return outer.getvalue()


def _unpacked(data: bytes, use: Callable[[Path, Path], None]) -> None:
    with _directory() as top:
        (top / "www/ours").mkdir(parents=True)
        (top / "www/ours/old").write_text("old")
        (top / "archive").write_bytes(data)
        try:
            use(top / "archive", top)
        except archive.ArchiveError:
            assert (top / "www/ours/old").read_text() == "old"
        allowed = {"www", "archive", "copy.tar.gz", "again.tar.gz"}
        assert {path.name for path in top.iterdir()} <= allowed
        assert {path.name for path in (top / "www").iterdir()} == {"ours"}


_UCI = (
    *(
        b"config cwmp 'main'\n",
        b"\toption ",
        b"\tlist ",
        b"'",
        b'"',
        b"\\",
        b"\n",
        b"#",
        b"package ",
        b"acs_url ",
    ),
    *(
        b"%%\n",
        b"cwmp.main.",
        b"cwmp.@cwmp[-1]",
        b"+cwmp",
        b"-cwmp.main",
        b"|cwmp.",
        b"~cwmp.",
        b"@cwmp.",
        b"^",
    ),
    *(b"heartbeat_interval", b"\x00", b"\xff", b";", b"\t", b"9" * 30, b"=", b"[0]"),
)
_TOML = (
    *(
        b'["Device.',
        b'{i}."]\n',
        b"[packages]\n",
        b'uci = "',
        b'ubus = "',
        b'rows = { uci = "',
        b'type = "string(',
    ),
    *(
        b'pattern = "',
        b"[0-9]+",
        b"(",
        b'let.name = { file = "',
        b"enum = [",
        b"]",
        b"}",
        b"{",
        b'"',
        b"true",
        b"=",
    ),
    *(
        b'python = "',
        b'format = "',
        b'scale = "1/0"',
        b"from = [",
        b"map = {",
        b'strong = "',
        b"write = ",
        b"const =",
    ),
    *(b'where = "', b'service = "', b"inform = true", b"{up.key}", b"{key}", b".", b"X_", b"unique = ["),
)
_IMAGE = (b"FWx0", b'{"version":', b"\x01\x00\x00\x00", b"\x00\x00\x00\x10", b'"', b"[" * 64, b"{", b"}")
_TAR = (
    b"ustar\x00",
    b"../",
    b"/",
    b"etc/config/",
    b"\x1f\x8b\x08",
    b"0000644",
    b"2",
    b"5",
    b"L",
    b"x",
    b"././@LongLink",
)

FILES = (
    Target("uci", uci, _UCI),
    Target("mapping", mapping, _TOML),
    Target("image", metadata, _IMAGE),
    Target("web_content", content, _TAR),
    Target("backup", backup, _TAR),
    Target(
        "package",
        package,
        (*_TAR, b"./control", b"Package: ", b"Version: ", b"\n\n", b" ", b"P:", b"F:", b"R:"),
    ),
)
