"""The parameters this service owns (mapping source ``service``): where the ACS can ask for a session."""

from __future__ import annotations

from cwmp.contract import Empty, Fault, FaultCode, ParameterFault
from cwmp.contract.parameters import GetParameters, Parameters, SetParameters, get_parameters, set_parameters
from cwmp.runtime import Peers
from cwmp.session.door import Door

CONNECTION_REQUEST_URL = "Device.ManagementServer.ConnectionRequestURL"


class OwnParameters:
    """Answers for what is below ManagementServer and known here alone."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def answer(self, peers: Peers) -> None:
        """From now on."""
        peers.answer(get_parameters("session"), self._get)
        peers.answer(set_parameters("session"), self._set)

    async def _get(self, args: GetParameters, _id: str) -> Parameters:
        if not any(CONNECTION_REQUEST_URL.startswith(path) for path in args.paths):
            return Parameters([], [])
        await self._door.find_address()
        return Parameters([CONNECTION_REQUEST_URL], [self._door.url()])

    async def _set(self, args: SetParameters, _id: str) -> Empty:
        faults = [ParameterFault(name, FaultCode.NOT_WRITABLE, "read-only") for name in args.names]
        raise Fault(FaultCode.INVALID_ARGUMENTS, "these parameters are read-only", faults)
