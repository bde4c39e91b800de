"""The reboot or factory reset that the ACS asked for: once for each request, and when no session is open.

A request is on flash before it is answered. A reboot is done when the boot id has changed, whatever changed it; as
long as it has not, asking the system again does no harm, since a system that is going down goes down once. A factory
reset is done when our state is gone, and with it the record of the request. As long as that is there it is asked for
again, also after a boot, but `_RESETS` times at most: a system whose reset leaves our state alone must not be reset
for ever.
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
_RESETS = 3


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
        self._resets = _count(document.get("resets"))
        self._reset = document.get("reset") is True and self._resets < _RESETS
        same_boot = document.get("boot_id") == boot_id
        self.pending = document.get("pending") is True and (same_boot or self._reset)
        if self.pending:
            self._asked.set()

    def request(self, request_id: str, command_key: str) -> None:
        """Reboot as soon as no session is open. A request that is known already has had its reboot.

        Raises:
            OSError: the request could not be made durable; there will be no reboot.
        """
        self._request(request_id, reset=False)
        self._log.warning("reboot requested (CommandKey '%s')", command_key)

    def request_reset(self, request_id: str) -> None:
        """Forget all configuration and reboot, as soon as no session is open.

        Raises:
            OSError: as `request`.
        """
        self._request(request_id, reset=True)
        self._log.warning("factory reset requested")

    def _request(self, request_id: str, *, reset: bool) -> None:
        if request_id in self._requests:
            return
        before = self._requests, self.pending, self._reset, self._resets
        self._requests = [*self._requests, request_id][-_REMEMBERED:]
        self.pending = True
        self._reset, self._resets = self._reset or reset, 0 if reset else self._resets
        try:
            self._file.save(self._document())
        except OSError:
            self._requests, self.pending, self._reset, self._resets = before
            raise
        self._asked.set()

    async def run(self) -> None:
        """Reboot when asked to; runs until it is cancelled, or the system goes down."""
        while True:
            await self._asked.wait()
            await self._session.ended()
            async with self._going_down:
                if await self._down():
                    await trio.sleep(_DOWN_DEADLINE)
                self._log.error("the system did not reboot: the request is dropped")
                self._give_up()

    async def _down(self) -> bool:
        """Have the system go down; whether it took the request."""
        for _ in range(_ATTEMPTS):
            try:
                if self._reset:
                    self._log.warning("forgetting all configuration")
                    self._resets += 1
                    self._file.save(self._document())
                    await self._system.factory_reset()
                else:
                    self._log.warning("rebooting")
                    await self._system.reboot()
            except Fault as fault:
                self._log.error("%s", fault.text)
            except OSError as error:
                self._log.error("that the reset begins cannot be recorded: %s", error)
            else:
                return True
            await trio.sleep(_RETRY)
        return False

    def _give_up(self) -> None:
        self._asked = trio.Event()
        self.pending = self._reset = False
        try:
            self._file.save(self._document())
        except OSError as error:
            self._log.error("the end of the request to reboot cannot be recorded: %s", error)

    def _document(self) -> dict[str, Any]:
        document = {"requests": self._requests, "pending": self.pending, "boot_id": self._boot_id}
        return {**document, "reset": True, "resets": self._resets} if self._reset else document


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
