"""The parameters this service owns (mapping source ``service``): where the ACS is, where it can ask for a session,
when the device is to reboot."""

from __future__ import annotations

from collections.abc import Callable

from cwmp.contract import Empty, Fault, FaultCode, ParameterFault
from cwmp.contract.parameters import GetParameters, Parameters, SetParameters, get_parameters, set_parameters
from cwmp.runtime import Peers
from cwmp.session.door import Door
from cwmp.session.planned import PlannedReboot
from cwmp.session.scheduled import Moment

CONNECTION_REQUEST_URL = "Device.ManagementServer.ConnectionRequestURL"
UDP_CONNECTION_REQUEST_ADDRESS = "Device.ManagementServer.UDPConnectionRequestAddress"
NAT_DETECTED = "Device.ManagementServer.NATDetected"
URL = "Device.ManagementServer.URL"
SCHEDULE_REBOOT = "Device.ManagementServer.ScheduleReboot"
DELAY_REBOOT = "Device.ManagementServer.DelayReboot"

Plan = Callable[[Callable[[PlannedReboot, Moment], None]], None]


class OwnParameters:
    """Answers for what is below ManagementServer and known here alone. `discovered_url` is the ACS's URL in force
    where DHCP has said it, and "" where it is that of the configuration. `plan` changes the reboots that are
    planned, durably."""

    def __init__(
        self,
        door: Door,
        discovered_url: Callable[[], str],
        planned: PlannedReboot,
        plan: Plan,
        in_session: Callable[[], bool],
    ) -> None:
        self._door = door
        self._plan = plan
        self._in_session = in_session
        self._values: dict[str, Callable[[], str]] = {
            CONNECTION_REQUEST_URL: door.url,
            UDP_CONNECTION_REQUEST_ADDRESS: door.udp_address,
            NAT_DETECTED: lambda: "true" if door.nat_detected else "false",
            URL: discovered_url,
            SCHEDULE_REBOOT: lambda: planned.at,
            DELAY_REBOOT: lambda: str(planned.delay),
        }

    def answer(self, peers: Peers) -> None:
        """From now on."""
        peers.answer(get_parameters("session"), self._get)
        peers.answer(set_parameters("session"), self._set)

    async def _get(self, args: GetParameters, _id: str) -> Parameters:
        names = [name for name in self._values if any(name.startswith(path) for path in args.paths)]
        if names:
            await self._door.find_address()
        return Parameters(names, [self._values[name]() for name in names])

    async def _set(self, args: SetParameters, _id: str) -> Empty:
        """Types and ranges are the datamodel's to check."""
        fixed = [name for name in args.names if name not in {SCHEDULE_REBOOT, DELAY_REBOOT}]
        if fixed:
            faults = [ParameterFault(name, FaultCode.NOT_WRITABLE, "read-only") for name in fixed]
            raise Fault(FaultCode.INVALID_ARGUMENTS, "these parameters are read-only", faults)
        if args.check_only:
            return Empty()
        values = dict(zip(args.names, args.values, strict=True))

        def change(planned: PlannedReboot, now: Moment) -> None:
            if SCHEDULE_REBOOT in values:
                planned.schedule(values[SCHEDULE_REBOOT], now)
            if DELAY_REBOOT in values:
                planned.postpone(int(values[DELAY_REBOOT]), now, in_session=self._in_session())

        self._plan(change)
        return Empty()
