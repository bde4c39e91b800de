"""State files: the old document or the new one, whatever happens; never fatal."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from cwmp.runtime import state
from cwmp.runtime.state import StateFile

LOG = logging.getLogger("test.state")


def test_what_was_saved_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    StateFile(tmp_path / "session" / "events.json", 1, LOG).save({"events": ["0 BOOTSTRAP"], "ü": "☃"})
    found = StateFile(tmp_path / "session" / "events.json", 1, LOG).load()
    assert found == {"events": ["0 BOOTSTRAP"], "ü": "☃"}
    assert (tmp_path / "session" / "events.json").stat().st_mode & 0o777 == 0o600


def test_nothing_there_is_an_empty_document(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "none.json", 1, LOG).load() == {}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[1]", b'{"version": 2, "a": 1}', b'{"a": 1}', b"\xff\xfe", b"[" * 10**5]
)
def test_an_unusable_file_is_set_aside_and_reported(
    raw: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "queue.json"
    path.write_bytes(raw)
    assert StateFile(path, 1, LOG).load() == {}
    assert (tmp_path / "queue.corrupt").read_bytes() == raw
    assert str(path) in caplog.text
    StateFile(path, 1, LOG).save({"a": 2})
    assert StateFile(path, 1, LOG).load() == {"a": 2}


def test_an_older_version_that_can_be_read_is_replaced_at_the_next_save(tmp_path: Path) -> None:
    path = tmp_path / "queue.json"
    StateFile(path, 1, LOG).save({"a": 1})
    newer = StateFile(path, 2, LOG, older=(1,))
    document = newer.load()
    assert document == {"a": 1}
    newer.save(document)
    assert path.read_text() == '{"version":2,"a":1}'
    assert StateFile(path, 1, LOG).load() == {}, "what is newer than we are is not understood"


def test_flash_is_written_only_when_something_changed(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "a.json", 1, LOG)
    file.save({"a": 1})
    first = (tmp_path / "a.json").stat().st_ino
    file.save({"a": 1})
    again = StateFile(tmp_path / "a.json", 1, LOG)
    again.save(again.load())
    assert (tmp_path / "a.json").stat().st_ino == first
    file.save({"a": 2})
    assert (tmp_path / "a.json").stat().st_ino != first


def test_a_full_disk_leaves_the_old_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StateFile(tmp_path / "a.json", 1, LOG)
    file.save({"a": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.save({"a": 2})
    assert StateFile(tmp_path / "a.json", 1, LOG).load() == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_killed_at_every_step_there_is_the_old_document_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    seen = set()
    for step in range(20):
        StateFile(path, 1, LOG).save({"a": "old"})
        child = os.fork()
        if child == 0:
            _die_at(step)
            StateFile(path, 1, LOG).save({"a": "new"})
            os._exit(0)
        _, status = os.waitpid(child, 0)
        value = StateFile(path, 1, LOG).load()["a"]
        seen.add(value)
        assert value in {"old", "new"}
        if os.WIFEXITED(status):
            assert value == "new"
            break
    else:
        pytest.fail("the child never got to the end")
    assert seen == {"old", "new"}


def _die_at(step: int) -> None:
    """Kill this process before the operation number `step` on the file system."""
    count = 0

    def wrap(name: str) -> None:
        original = getattr(os, name)

        def operation(*args: object, **options: object) -> object:
            nonlocal count
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return original(*args, **options)

        setattr(state.os, name, operation)

    for name in ("open", "fsync", "replace", "close"):
        wrap(name)
