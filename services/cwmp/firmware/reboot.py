"""The reboot that the ACS asked for: once for each request, and when no session is open.

A request is on flash before it is answered. It is done when the boot id has changed, whatever changed it; as
long as it has not, asking the system again does no harm, since a system that is going down goes down once.
"""

from __future__ import annotations

import logging
from typing import Any

import trio

from cwmp.contract import Fault
from cwmp.firmware.sysupgrade import System
from cwmp.runtime import StateFile
from cwmp.runtime.quiet import SessionWatch

_REMEMBERED = 16
_ATTEMPTS = 5
_RETRY = 10.0
_DOWN_DEADLINE = 900.0


class Rebooter:
    """Reboots on request. `going_down` is shared with whoever else takes the system down."""

    def __init__(
        self,
        file: StateFile,
        system: System,
        session: SessionWatch,
        going_down: trio.Lock,
        boot_id: str,
        log: logging.Logger,
    ) -> None:
        self._file = file
        self._system = system
        self._session = session
        self._going_down = going_down
        self._boot_id = boot_id
        self._log = log
        self._asked = trio.Event()
        document = file.load()
        self._requests = _texts(document.get("requests"))
        self.pending = document.get("pending") is True and document.get("boot_id") == boot_id
        if self.pending:
            self._asked.set()

    def request(self, request_id: str, command_key: str) -> None:
        """Reboot as soon as no session is open. A request that is known already has had its reboot.

        Raises:
            OSError: the request could not be made durable; there will be no reboot.
        """
        if request_id in self._requests:
            return
        requests = [*self._requests, request_id][-_REMEMBERED:]
        self._file.save(self._document(requests, pending=True))
        self._requests, self.pending = requests, True
        self._log.warning("reboot requested (CommandKey '%s')", command_key)
        self._asked.set()

    async def run(self) -> None:
        """Reboot when asked to; runs until it is cancelled, or the system goes down."""
        while True:
            await self._asked.wait()
            await self._session.ended()
            async with self._going_down:
                if await self._reboot():
                    await trio.sleep(_DOWN_DEADLINE)
                self._log.error("the system did not reboot: the request is dropped")
                self._give_up()

    async def _reboot(self) -> bool:
        for _ in range(_ATTEMPTS):
            try:
                self._log.warning("rebooting")
                await self._system.reboot()
            except Fault as fault:
                self._log.error("%s", fault.text)
                await trio.sleep(_RETRY)
            else:
                return True
        return False

    def _give_up(self) -> None:
        self._asked = trio.Event()
        self.pending = False
        try:
            self._file.save(self._document(self._requests, pending=False))
        except OSError as error:
            self._log.error("the end of the request to reboot cannot be recorded: %s", error)

    def _document(self, requests: list[str], *, pending: bool) -> dict[str, Any]:
        return {"requests": requests, "pending": pending, "boot_id": self._boot_id}


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
