"""What the datamodel keeps on flash beside the configuration, and the one transaction that changes both.

Two documents: ``instances`` (instances.py) and ``journal``:

    parameter_key   what the last successful change of the ACS set
    answers         request id to the answer of a change, so that a request sent again after a restart gets it
                    and has no second effect
    owed            service to {path: value}: accepted for parameters another service owns, not yet given to it
    tell            packages whose daemons still must be told, ``now`` or after the session (``later``)
    boot            the boot those are from: a reboot has told everybody
    acked           what the ACS knows of the forced-inform parameters

`commit` writes both with all UCI packages at once, or nothing (ubuskit's `Uci.apply`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cwmp.contract import Fault, FaultCode
from cwmp.datamodel.instances import Instances
from cwmp.runtime import StateFile
from ubuskit.uci import Change, Uci, UciError

PARAMETER_KEY = "Device.ManagementServer.ParameterKey"
_MAX_ANSWERS = 32


class Journal:
    """The state of the datamodel, as it is on flash."""

    def __init__(
        self, uci: Uci, journal: StateFile, instances_file: StateFile, boot_id: str, log: logging.Logger
    ) -> None:
        self._uci = uci
        self._journal = journal
        self._instances_file = instances_file
        self._boot_id = boot_id
        self._log = log
        self.instances = Instances()
        self.parameter_key = ""
        self.answers: OrderedDict[str, dict[str, int]] = OrderedDict()
        self.owed: dict[str, dict[str, str]] = {}
        self.now: list[str] = []
        self.later: list[str] = []
        self.acked: dict[str, str] = {}
        for file in (journal, instances_file):
            file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start(self) -> None:
        """Finish or undo what was cut off, and take up what is on flash."""
        try:
            self._uci.recover()
        except UciError as error:
            self._log.error("a change that was cut off cannot be finished: %s", error)
        self._load()

    def own(self) -> Mapping[str, str]:
        """The parameters the datamodel keeps itself."""
        return {PARAMETER_KEY: self.parameter_key}

    def save(self) -> None:
        """Make the journal durable."""
        try:
            self._journal.save(self._document())
        except OSError as error:
            raise Fault(FaultCode.RESOURCES_EXCEEDED, f"{self._journal.path}: {error.strerror}") from None

    def save_instances(self) -> None:
        """Make the instance numbers durable, where there are new ones. A full disk keeps nobody from reading."""
        if not self.instances.dirty:
            return
        try:
            self._instances_file.save(self.instances.document())
        except OSError as error:
            self._log.error("%s cannot be written: %s", self._instances_file.path, error.strerror)
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
        files = {
            self._journal.path: self._journal.encode(self._document()),
            self._instances_file.path: self._instances_file.encode(self.instances.document()),
        }
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

    def _document(self) -> dict[str, Any]:
        return {
            "parameter_key": self.parameter_key,
            "answers": dict(self.answers),
            "owed": self.owed,
            "tell": {"now": self.now, "later": self.later},
            "boot": self._boot_id,
            "acked": self.acked,
        }

    def _load(self) -> None:
        """Take up what is on flash. What has the wrong shape counts as absent."""
        document = self._journal.load()
        self.parameter_key = _kept(document, "parameter_key", "")
        self.answers = OrderedDict(_kept(document, "answers", {}))
        self.owed = _kept(document, "owed", {})
        tell = _kept(document, "tell", {}) if _kept(document, "boot", "") == self._boot_id else {}
        self.now = list(_kept(tell, "now", []))
        self.later = list(_kept(tell, "later", []))
        self.acked = _kept(document, "acked", {})
        try:
            self.instances.load(self._instances_file.load())
        except ValueError as error:
            self._log.error("%s: %s; numbers start anew", self._instances_file.path, error)


def _kept(document: Mapping[str, Any], key: str, default: Any) -> Any:
    value = document.get(key, default)
    return value if type(value) is type(default) else default
