"""What the datamodel keeps on flash beside the configuration, and the one transaction that changes both.

``instances`` (instances.py), ``attributes`` (attributes.py), ``acked``: what the ACS knows of the values it is
informed of, by path; ``undo`` (undo.py); and ``journal``:

    parameter_key   what the last successful change of the ACS set
    settings        further parameters the datamodel keeps itself, by path
    spelled         values that are paths, as the ACS wrote them: by Alias or by number (naming.py)
    answers         request id to the answer of a change, so that a request sent again after a restart gets it
                    and has no second effect
    owed            service to {path: value}: accepted for parameters another service owns, not yet given to it
    remote          mount to what is under way with the daemon that serves it (remote/mounts.py)
    tell            packages whose daemons still must be told, ``now`` or after the session (``later``)
    calls           ubus calls to be made then, ``[object method, arguments as JSON]``
    boot            the boot those are from: a reboot has told everybody

`commit` writes what changed of them with all UCI packages at once, or nothing (ubuskit's `Uci.apply`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cwmp.contract import Fault, FaultCode
from cwmp.datamodel.attributes import Attributes
from cwmp.datamodel.instances import Instances
from cwmp.datamodel.undo import Undo
from cwmp.runtime import StateFile
from ubuskit.uci import Change, Uci, UciError

PARAMETER_KEY = "Device.ManagementServer.ParameterKey"
_VERSION = 1
_MAX_ANSWERS = 32


class Journal:
    """The state of the datamodel, as it is on flash."""

    def __init__(
        self, uci: Uci, state: Callable[[str, int], StateFile], boot_id: str, log: logging.Logger
    ) -> None:
        self._uci = uci
        self._journal = state("journal", _VERSION)
        self._instances_file = state("instances", _VERSION)
        self._attributes_file = state("attributes", _VERSION)
        self._acked_file = state("acked", _VERSION)
        self._undo_file = state("undo", _VERSION)
        self._boot_id = boot_id
        self._log = log
        self.instances = Instances()
        self.attributes = Attributes()
        self.undo = Undo()
        self.parameter_key = ""
        self.settings: dict[str, str] = {}
        self.spelled: dict[str, str] = {}
        self.answers: OrderedDict[str, dict[str, int]] = OrderedDict()
        self.owed: dict[str, dict[str, str]] = {}
        self.remote: dict[str, dict[str, Any]] = {}
        self.now: list[str] = []
        self.later: list[str] = []
        self.calls_now: list[list[str]] = []
        self.calls_later: list[list[str]] = []
        self.acked: dict[str, str] = {}
        self._on_flash: dict[StateFile, bytes] = {}
        self._journal.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start(self) -> None:
        """Finish or undo what was cut off, and take up what is on flash."""
        try:
            self._uci.recover()
        except UciError as error:
            self._log.error("a change that was cut off cannot be finished: %s", error)
        self._load()

    def own(self) -> Mapping[str, str]:
        """The parameters the datamodel keeps itself."""
        return {**self.spelled, **self.settings, PARAMETER_KEY: self.parameter_key}

    def save(self) -> None:
        """Make the journal durable."""
        self._save(self._journal, self._document())

    def save_acked(self) -> None:
        """Make durable what the ACS knows."""
        self._save(self._acked_file, {"acked": self.acked})

    def save_attributes(self) -> None:
        """Make the attributes durable, with the values that changes are counted from."""
        self.save_acked()
        self._save(self._attributes_file, self.attributes.document())

    def save_undo(self) -> None:
        """Make durable what would be taken back."""
        self._save(self._undo_file, self.undo.document())

    def reload_attributes(self) -> None:
        """Take back changes of attributes that were not saved."""
        self.attributes.load(self._attributes_file.load())

    def _save(self, file: StateFile, document: dict[str, Any]) -> None:
        try:
            file.save(document)
        except OSError as error:
            raise Fault(FaultCode.RESOURCES_EXCEEDED, f"{file.path}: {error.strerror}") from None
        self._on_flash[file] = file.encode(document)

    def save_instances(self) -> None:
        """Make the instance numbers durable, where there are new ones. A full disk keeps nobody from reading."""
        if not self.instances.dirty:
            return
        try:
            self._save(self._instances_file, self.instances.document())
        except Fault as fault:
            self._log.error("the instance numbers cannot be written: %s", fault.text)
        else:
            self.instances.saved()

    def commit(
        self, changes: Mapping[str, Sequence[Change]], request_id: str, note: Callable[[], dict[str, int]]
    ) -> dict[str, int]:
        """Make `changes`, and what `note` changes in this journal and its instances, durable as one.

        `note` returns the answer to `request_id`, which is kept with them ("" has none to keep).

        Raises:
            Fault: 9002; nothing has changed.
        """
        answer = note()
        if request_id:
            self.answers[request_id] = answer
            while len(self.answers) > _MAX_ANSWERS:
                self.answers.popitem(last=False)
        files = {}
        for file, document in self._documents():
            data = file.encode(document)
            if data != self._on_flash.get(file):
                files[file.path] = data
        failure = ""
        try:
            self._uci.apply(changes, files=files)
        except (UciError, OSError) as error:
            failure = str(error)
            self._log.error("a change could not be made: %s", failure)
            try:
                self._uci.recover()
            except (UciError, OSError) as again:
                self._log.error("and could not be cleaned up: %s", again)
        self._load()
        if failure and (not request_id or request_id not in self.answers):
            raise Fault(FaultCode.INTERNAL_ERROR, f"the change could not be saved: {failure}")
        return answer

    def _documents(self) -> list[tuple[StateFile, dict[str, Any]]]:
        return [
            (self._journal, self._document()),
            (self._instances_file, self.instances.document()),
            (self._attributes_file, self.attributes.document()),
            (self._acked_file, {"acked": self.acked}),
            (self._undo_file, self.undo.document()),
        ]

    def _document(self) -> dict[str, Any]:
        return {
            "parameter_key": self.parameter_key,
            "settings": self.settings,
            "spelled": self.spelled,
            "answers": dict(self.answers),
            "owed": self.owed,
            "remote": self.remote,
            "tell": {"now": self.now, "later": self.later},
            "calls": {"now": self.calls_now, "later": self.calls_later},
            "boot": self._boot_id,
        }

    def _load(self) -> None:
        """Take up what is on flash. What has the wrong shape counts as absent."""
        document = self._journal.load()
        self.parameter_key = _kept(document, "parameter_key", "")
        self.settings = {k: v for k, v in _kept(document, "settings", {}).items() if isinstance(v, str)}
        self.spelled = {k: v for k, v in _kept(document, "spelled", {}).items() if isinstance(v, str)}
        self.answers = OrderedDict(_kept(document, "answers", {}))
        self.owed = _kept(document, "owed", {})
        self.remote = {k: v for k, v in _kept(document, "remote", {}).items() if isinstance(v, dict)}
        this_boot = _kept(document, "boot", "") == self._boot_id
        tell = _kept(document, "tell", {}) if this_boot else {}
        calls = _kept(document, "calls", {}) if this_boot else {}
        self.calls_now = list(_kept(calls, "now", []))
        self.calls_later = list(_kept(calls, "later", []))
        self.now = list(_kept(tell, "now", []))
        self.later = list(_kept(tell, "later", []))
        self.acked = {
            name: text
            for name, text in _kept(self._acked_file.load(), "acked", {}).items()
            if isinstance(text, str)
        }
        self.attributes.load(self._attributes_file.load())
        self.undo.load(self._undo_file.load())
        try:
            self.instances.load(self._instances_file.load())
        except ValueError as error:
            self._log.error("%s: %s; numbers start anew", self._instances_file.path, error)
        self._on_flash = {file: file.encode(document) for file, document in self._documents()}


def _kept(document: Mapping[str, Any], key: str, default: Any) -> Any:
    value = document.get(key, default)
    return value if type(value) is type(default) else default
