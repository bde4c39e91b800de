"""What happens in the demo: the ACS's script, step by step, and what each step is expected to show."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import trio

from cwmp.lab.acs import (
    Acs,
    ChangeDUState,
    Credentials,
    Download,
    GetParameterNames,
    GetParameterValues,
    GetRPCMethods,
    Install,
    Session,
    SetParameterValues,
    Value,
)
from cwmp.lab.console import Console
from cwmp.lab.router import Router, Version, build
from cwmp.lab.router.packages import Wanted, opkg_package
from ubuskit.client import Client
from ubuskit.errors import UbusError

SSID = "Lab WLAN <blå & grønn>"
LAN_ADDRESS, LAN_NETMASK = "192.168.77.1", "255.255.255.0"
NEW_FIRMWARE = Version("24.10.1", "r28597-0425664679")
REQUESTER, REQUESTER_PASSWORD = "acs", "lab connection request"
FILE_SERVER = Credentials("images", "lab images")
PARAMETER_KEY, COMMAND_KEY, MODULE_KEY = "provisioned-1", "upgrade-1", "software-1"
PACKAGE = Wanted("hello", "1.0-r1", maintainer="Example", service="hello")
SPEED_FILE_BYTES = 16_000_000

_REQUIRED = {
    "GetRPCMethods", "GetParameterNames", "GetParameterValues", "SetParameterValues",
    "AddObject", "DeleteObject", "Reboot", "Download",
}  # fmt: skip
_IP_PING = "Device.IP.Diagnostics.IPPing."
_DOWNLOAD = "Device.IP.Diagnostics.DownloadDiagnostics."
_TRACE_ROUTE = "Device.IP.Diagnostics.TraceRoute."
_UNITS = "Device.SoftwareModules.DeploymentUnit."
_MANAGEMENT = "Device.ManagementServer."
_PATIENCE = 15.0
_VERSION = "Device.DeviceInfo.SoftwareVersion"


class Failed(Exception):
    """Something was not as it should be; the text says what."""


class Story:
    """What the steps share."""

    def __init__(self, acs: Acs, router: Router, bus: Client, console: Console) -> None:
        self.acs = acs
        self.router = router
        self.bus = bus
        self.console = console
        self.values: dict[str, Value] = {}
        self.first: Session | None = None

    def say(self, text: str) -> None:
        self.console.line("", text)

    def expect(self, true: bool, otherwise: str) -> None:
        if not true:
            raise Failed(otherwise)

    def named(self, suffix: str, value: str) -> str:
        """The one parameter among those discovered that ends in `suffix` and has this value."""
        found = [n for n, v in self.values.items() if n.endswith(suffix) and v.text == value]
        self.expect(len(found) == 1, f"{len(found)} parameters {suffix} have the value {value!r}, not one")
        return found[0]

    async def get(self, session: Session, name: str) -> str:
        return (await session.rpc(GetParameterValues([name])))[name].text

    async def status(self, path: str) -> dict[str, Any]:
        """A daemon's ``status``; asked again while the router boots."""
        while True:
            try:
                return await self.bus.call(path, "status")
            except UbusError:
                await trio.sleep(0.1)


async def first_contact(story: Story) -> None:
    """The session stays open: provisioning goes on in it."""
    session = story.first = await story.acs.next_session()
    codes = session.inform.codes
    story.expect(set(codes) == {"0 BOOTSTRAP", "1 BOOT"}, f"the first Inform has the events {codes}")
    methods = await session.rpc(GetRPCMethods())
    story.expect(set(methods) >= _REQUIRED, f"GetRPCMethods lacks {sorted(_REQUIRED - set(methods))}")
    names = await session.rpc(GetParameterNames(""))
    story.values = await session.rpc(GetParameterValues(["Device."]))
    listed = {name for name in names if not name.endswith(".")}
    story.expect(listed == set(story.values), "GetParameterNames and GetParameterValues do not agree")
    objects = len(names) - len(listed)
    story.say(f"{objects} objects, {len(listed)} parameters, {sum(names.values())} of all writable")
    version = story.values[_VERSION].text
    story.expect("24.10.0" in version, f"{_VERSION} is {version!r}")
    story.say(f"{_VERSION} = {version}")


async def provision(story: Story) -> None:
    ssid = story.named(".SSID", "OpenWrt")
    address = story.named(".IPAddress", "192.168.1.1")
    vendor = story.named("", "factory")
    assert story.first is not None
    session = story.first
    await session.rpc(
        SetParameterValues(
            {
                ssid: SSID,
                address: LAN_ADDRESS,
                address.replace(".IPAddress", ".SubnetMask"): LAN_NETMASK,
                vendor: "set by the ACS",
                _MANAGEMENT + "PeriodicInformInterval": Value("1800", "unsignedInt"),
                _MANAGEMENT + "ConnectionRequestUsername": REQUESTER,
                _MANAGEMENT + "ConnectionRequestPassword": REQUESTER_PASSWORD,
            },
            PARAMETER_KEY,
        )
    )
    story.expect(await story.get(session, ssid) == SSID, "the SSID reads back otherwise in the same session")
    key = await story.get(session, _MANAGEMENT + "ParameterKey")
    story.expect(key == PARAMETER_KEY, f"ParameterKey is {key!r}")
    password = await story.get(session, _MANAGEMENT + "ConnectionRequestPassword")
    story.expect(password == "", "a password can be read")
    await session.end()
    await story.router.until(lambda: story.router.told["network"] > 0 and story.router.told["wireless"] > 0)
    await check_settings(story)
    section = story.router.uci("mypackage").sections["settings"]
    story.expect(section.options["example"] == "set by the ACS", "the vendor's option is not in UCI")
    story.say(f"UCI mypackage.settings.example = {section.options['example']}   ({vendor})")


async def check_settings(story: Story) -> None:
    """UCI and netifd have what the ACS set."""
    option = story.router.uci("wireless").sections["default_radio0"].options["ssid"]
    radio = (await story.status("network.wireless"))["radio0"]
    in_force = radio["interfaces"][0]["config"]["ssid"]
    story.expect(option == in_force == SSID, f"the SSID is {option!r} in UCI, {in_force!r} in netifd")
    story.say(f"SSID in UCI and netifd: {in_force}")
    lan = story.router.uci("network").sections["lan"].options["ipaddr"]
    addresses = (await story.status("network.interface.lan"))["ipv4-address"]
    story.expect(
        lan == LAN_ADDRESS and addresses == [{"address": LAN_ADDRESS, "mask": 24}],
        f"the LAN address is {lan!r} in UCI, {addresses} in netifd",
    )
    story.say(f"LAN address in UCI and netifd: {lan}/24")


async def ping(story: Story) -> None:
    if not _may_ping():
        story.say("left out: this user may not open ICMP sockets (sysctl net.ipv4.ping_group_range)")
        return
    found = await _diagnosed(
        story,
        _IP_PING,
        Host="127.0.0.1",
        NumberOfRepetitions=Value("4", "unsignedInt"),
        Timeout=Value("1000", "unsignedInt"),
        DataBlockSize=Value("64", "unsignedInt"),
    )
    story.expect(found["SuccessCount"] == "4", f"{found['SuccessCount']} of 4 answers")
    times = [int(found[f"{which}ResponseTimeDetailed"]) for which in ("Minimum", "Average", "Maximum")]
    story.say(f"4 of 4 answers, {times[0]}/{times[1]}/{times[2]} µs")


async def _diagnosed(story: Story, path: str, **inputs: str | Value) -> dict[str, str]:
    """Have a test made, and wait for its end: its parameters."""
    async with _asked_for(story) as session:
        values = {path + name: value for name, value in inputs.items()}
        await session.rpc(
            SetParameterValues({**values, path + "DiagnosticsState": "Requested"}, PARAMETER_KEY)
        )
    async with story.acs.session("8 DIAGNOSTICS COMPLETE") as session:
        found = await _below(session, path)
    story.expect(found["DiagnosticsState"] == "Complete", f"the test ends with {found['DiagnosticsState']}")
    return found


async def speed_and_route(story: Story) -> None:
    url = story.acs.serve_file("/speed.bin", bytes(SPEED_FILE_BYTES))
    speed = await _diagnosed(story, _DOWNLOAD, DownloadURL=url)
    begin, end = (datetime.fromisoformat(speed[name]) for name in ("BOMTime", "EOMTime"))
    count, took = int(speed["TestBytesReceived"]), (end - begin).total_seconds()
    story.expect(count > SPEED_FILE_BYTES, f"only {count} bytes came")
    story.say(f"speed test: {count} bytes in {took * 1000:.0f} ms, {count * 8 / took / 1e6:.0f} Mbit/s")
    route = await _diagnosed(story, _TRACE_ROUTE, Host="127.0.0.1")
    hops = int(route["RouteHopsNumberOfEntries"])
    last = route[f"RouteHops.{hops}.HostAddress"] or route[f"RouteHops.{hops}.Host"]
    story.expect(last == "127.0.0.1", f"the route ends at {last}")
    story.say(f"traceroute: {hops} hop, {last}, RTTimes {route[f'RouteHops.{hops}.RTTimes']} ms")


async def _below(session: Session, path: str) -> dict[str, str]:
    """The values below an object, by name."""
    values = await session.rpc(GetParameterValues([path]))
    return {name.removeprefix(path): value.text for name, value in values.items()}


async def software(story: Story) -> None:
    url = story.acs.serve_file("/hello.ipk", opkg_package(PACKAGE))
    async with _asked_for(story) as session:
        await session.rpc(ChangeDUState([Install(url)], MODULE_KEY))
    async with story.acs.session("11 DU STATE CHANGE COMPLETE") as session:
        codes = session.inform.codes
        story.expect("M ChangeDUState" in codes, f"the Inform has the events {codes}")
        await session.ready()
        units = await _below(session, _UNITS)
    found = {name.partition(".")[2]: value for name, value in units.items()}
    unit = (found.get("Name"), found.get("Version"), found.get("Status"))
    story.expect(unit == (PACKAGE.name, PACKAGE.version, "Installed"), f"the deployment unit is {unit}")
    script = story.router.paths.system(f"/etc/init.d/{PACKAGE.service}")
    story.expect(script.exists(), f"there is no {script}")
    story.say(f"{PACKAGE.name} {PACKAGE.version} is installed, UUID {found['UUID']}")


async def connection_request(story: Story) -> None:
    url = story.values[_MANAGEMENT + "ConnectionRequestURL"].text
    refused = await story.acs.connection_request(url, REQUESTER, "a wrong password")
    story.expect(refused == 401, f"a wrong password is answered {refused}")
    async with _asked_for(story) as session:
        codes = session.inform.codes
        story.expect(codes == ["6 CONNECTION REQUEST"], f"the Inform has the events {codes}")


@asynccontextmanager
async def _asked_for(story: Story) -> AsyncIterator[Session]:
    """A session that the ACS asks for; again while the router is busy with the end of the one before."""
    url = story.values[_MANAGEMENT + "ConnectionRequestURL"].text
    with trio.fail_after(_PATIENCE):
        while True:
            status = await story.acs.connection_request(url, REQUESTER, REQUESTER_PASSWORD)
            if status != 503:
                break
            await trio.sleep(0.1)
    story.expect(status in {200, 204}, f"a connection request to {url} is answered {status}")
    async with story.acs.session("6 CONNECTION REQUEST") as session:
        yield session


async def download(story: Story) -> None:
    image = build(NEW_FIRMWARE)
    url = story.acs.serve_file("/firmware.bin", image, FILE_SERVER)
    async with _asked_for(story) as session:
        started = await session.rpc(
            Download(
                COMMAND_KEY,
                url,
                username=FILE_SERVER.username,
                password=FILE_SERVER.password,
                file_size=len(image),
            )
        )
        story.expect(started.status == 1, f"Download is answered with Status {started.status}")
    await story.router.until(lambda: story.router.boots == 2)


async def transfer_complete(story: Story) -> None:
    async with story.acs.session() as session:
        codes = session.inform.codes
        expected = {"1 BOOT", "7 TRANSFER COMPLETE", "M Download", "4 VALUE CHANGE"}  # the version's
        story.expect(set(codes) == expected, f"the Inform after the upgrade has the events {codes}")
        await session.ready()
        story.expect(len(session.transfers) == 1, f"{len(session.transfers)} TransferComplete instead of one")
        transfer = session.transfers[0]
        outcome = (transfer.command_key, transfer.fault_code)
        story.expect(outcome == (COMMAND_KEY, 0), f"TransferComplete says {outcome}: {transfer.fault_string}")
        version = session.inform.parameters[_VERSION].text
        story.expect(NEW_FIRMWARE.version in version, f"{_VERSION} is still {version}")
        story.say(f"{_VERSION} = {version}")
        key = await story.get(session, _MANAGEMENT + "ParameterKey")
        story.expect(key == PARAMETER_KEY, f"ParameterKey is {key!r} after the upgrade")
    story.expect(story.router.upgrades == [NEW_FIRMWARE], "the router was not flashed exactly once")
    await check_settings(story)


Step = Callable[[Story], Awaitable[None]]

STEPS: tuple[tuple[str, Step], ...] = (
    ("First contact: bootstrap and discovery", first_contact),
    ("Provisioning: SSID, LAN address, a vendor's parameter", provision),
    ("Connection request", connection_request),
    ("Diagnosis: IPPing on loopback", ping),
    ("Diagnosis: a speed test, and the way to a host", speed_and_route),
    ("Software: a package installed by the package manager", software),
    ("Firmware: download, check, flash, reboot", download),
    ("After the reboot: TransferComplete, new version, settings kept", transfer_complete),
)


def _may_ping() -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except PermissionError:
            continue
        return True
    return False
