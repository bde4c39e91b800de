"""A test as an ACS makes it: through the data model, its tables included; and as others do, by ubus."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from tests.conftest import StartService
from tests.diagnostics.test_diagnostics_service import Session

from cwmp.contract import Empty, Fault
from cwmp.contract.datamodel import GET_VALUES, SET_VALUES, GetValues, SetValues
from cwmp.contract.firmware import GET_COMPLETED, CompletedTransfers
from cwmp.datamodel.service import serve as serve_datamodel
from cwmp.diagnostics import selftest, service
from cwmp.diagnostics.definition import Definition, Means, Outcome
from cwmp.diagnostics.service import serve
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client

DOWNLOAD = "Device.IP.Diagnostics.DownloadDiagnostics."
SELF = "Device.SelfTestDiagnostics."
SERVER = "Device.IP.Diagnostics.UDPEchoConfig."
ROUTE = "Device.IP.Diagnostics.TraceRoute."


class Acs(Session):
    async def set(self, path: str, **values: str) -> None:
        names = [path + name for name in values]
        given = SetValues(names, [""] * len(names), list(values.values()), "key")
        await self.peers.request(SET_VALUES, given)

    async def get(self, path: str) -> dict[str, str]:
        found: dict[str, str] = {}
        async with self.peers.stream(GET_VALUES, GetValues([path])) as pages:
            async for page in pages:
                found |= dict(zip(page.names, page.values, strict=True))
        return found


@pytest.fixture
async def acs(start_service: StartService) -> Acs:
    found = Acs()
    await start_service("session", found.serve)
    await start_service("diagnostics", serve)
    await start_service("datamodel", serve_datamodel)
    return found


async def test_a_route_is_read_through_the_data_model(acs: Acs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def getnameinfo(*_: object) -> tuple[str, str]:
        return "localhost.example", "0"

    monkeypatch.setattr(trio.socket, "getnameinfo", getnameinfo)
    assert (await acs.get(ROUTE))[f"{ROUTE}RouteHopsNumberOfEntries"] == "0"
    await acs.set(ROUTE, Host="127.0.0.1", NumberOfTries="2", DiagnosticsState="Requested")
    await acs.event()
    found = await acs.get(ROUTE)
    assert found[f"{ROUTE}DiagnosticsState"] == "Complete"
    assert found[f"{ROUTE}RouteHopsNumberOfEntries"] == "1"
    assert (await acs.get(f"{ROUTE}RouteHops.1.")) == {
        f"{ROUTE}RouteHops.1.Host": "localhost.example",
        f"{ROUTE}RouteHops.1.HostAddress": "127.0.0.1",
        f"{ROUTE}RouteHops.1.ErrorCode": "3",
        f"{ROUTE}RouteHops.1.RTTimes": found[f"{ROUTE}RouteHops.1.RTTimes"],
    }
    await acs.set(ROUTE, Host="127.0.0.2")
    assert (await acs.get(ROUTE))[f"{ROUTE}DiagnosticsState"] == "None"


async def test_a_route_by_ubus(acs: Acs, client: Client) -> None:
    request = {"type": "TraceRoute", "args": {"Host": "127.0.0.1", "NumberOfTries": 1}}
    answer = await client.call("cwmp.diagnostics", "run", request, timeout=20)
    assert answer["state"] == "Complete"
    (hop,) = answer["results"]["RouteHops"]
    assert hop["ErrorCode"] == "3"
    assert (await acs.get(ROUTE))[f"{ROUTE}DiagnosticsState"] == "None"


async def test_the_echo_server(acs: Acs) -> None:
    with pytest.raises(Fault) as caught:
        await acs.set(SERVER, Interface="Device.IP.Interface.99")
    assert [p.code for p in caught.value.parameters] == [9007]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    await acs.set(SERVER, Enable="true", UDPPort=port, EchoPlusEnabled="true")
    with trio.fail_after(10):
        while (await acs.get(SERVER))[f"{SERVER}PacketsResponded"] == "0":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.sendto(b"x", ("127.0.0.1", int(port)))
    assert (await acs.get(SERVER))[f"{SERVER}BytesReceived"] != "0"
    await acs.set(SERVER, Enable="false")


async def test_a_download(acs: Acs, nursery: trio.Nursery) -> None:
    async def file(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await stream.aclose()

    listeners = await nursery.start(partial(trio.serve_tcp, file, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
    with pytest.raises(Fault) as caught:
        await acs.set(DOWNLOAD, DownloadURL="https://127.0.0.1/", DiagnosticsState="Requested")
    assert [(p.name, p.code) for p in caught.value.parameters] == [(f"{DOWNLOAD}DownloadURL", 9007)]
    await acs.set(
        DOWNLOAD,
        DownloadURL=url,
        NumberOfConnections="2",
        EnablePerConnectionResults="true",
        DiagnosticsState="Requested",
    )
    await acs.event()
    found = await acs.get(DOWNLOAD)
    assert found[f"{DOWNLOAD}DiagnosticsState"] == "Complete"
    assert found[f"{DOWNLOAD}TestBytesReceived"] == "80"
    assert found[f"{DOWNLOAD}PerConnectionResultNumberOfEntries"] == "2"
    assert found[f"{DOWNLOAD}PerConnectionResult.2.TestBytesReceived"] == "40"
    assert found[f"{DOWNLOAD}IncrementalResultNumberOfEntries"] == "0"
    assert found[f"{DOWNLOAD}DownloadDiagnosticMaxConnections"] == "8"


class Gauge:
    """Stands in for what each test does; how many of them were at it at once."""

    def __init__(self) -> None:
        self.most = 0
        self.ran: list[str] = []
        self._now = 0

    def put_into(self, test: Definition) -> Definition:
        async def run(_inputs: Mapping[str, str], _means: Means) -> Outcome:
            self._now += 1
            self.most = max(self.most, self._now)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            self._now -= 1
            self.ran.append(test.name)
            return Outcome("Complete")

        return dataclasses.replace(test, run=run)


async def test_all_tests_at_once_are_made_one_after_the_other(
    start_service: StartService, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauge, known = Gauge(), service.TESTS
    monkeypatch.setattr(service, "TESTS", tuple(gauge.put_into(test) for test in known))
    session = Acs()
    await start_service("session", session.serve)
    await start_service("diagnostics", serve)
    await start_service("datamodel", serve_datamodel)
    everything = {}
    for test in known:
        given = {**dict.fromkeys(test.required, "5"), **GOOD.get(test.name, {})}
        everything |= {test.path + name: value for name, value in given.items()}
        everything[f"{test.path}DiagnosticsState"] = "Requested"
    async with trio.open_nursery() as nursery:
        for test in known[:3]:  # somebody at the router wants some as well
            arguments = {"type": test.name, "args": dict.fromkeys(test.required, "5")}
            nursery.start_soon(client.call, "cwmp.diagnostics", "run", arguments)
        await session.set("", **everything)
        await session.event(len(known))
    assert gauge.most == 1
    assert sorted(gauge.ran) == sorted([t.name for t in known] + [t.name for t in known[:3]])
    assert sorted(f.type for f in session.finished) == sorted(t.name for t in known)


GOOD = {
    "DownloadDiagnostics": {"DownloadURL": "http://192.0.2.1/"},
    "UploadDiagnostics": {"UploadURL": "ftp://192.0.2.1/file", "TestFileLength": "1"},
}


async def test_the_self_test(acs: Acs, client: Client, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_DEADLINE", 0.2)  # nobody is firmware here
    proc = paths.system("/proc/uptime")
    proc.write_text("12.5 10.0\n")
    (paths.uci_dir / "cwmp").write_text("config cwmp 'cwmp'\n")
    await acs.set(SELF, DiagnosticsState="Requested")
    await acs.event()
    found = await acs.get(SELF)
    assert found[f"{SELF}DiagnosticsState"] == "Complete"
    verdict, *lines = found[f"{SELF}Results"].splitlines()
    said = dict(line.split(": ", 1) for line in lines)
    assert verdict == "failed"
    assert said.pop("firmware").startswith("does not answer")
    assert said == dict.fromkeys(("session", "datamodel", "configuration", "storage"), "ok")


async def test_the_self_test_where_all_is_well_and_where_it_is_not(
    acs: Acs, start_service: StartService, client: Client, paths: Paths
) -> None:
    async def firmware(runtime: Runtime) -> None:
        runtime.peers.answer(GET_COMPLETED, no_transfers)
        await runtime.peers.ready()
        await trio.sleep_forever()

    async def no_transfers(_args: Empty, _id: str) -> Any:
        return CompletedTransfers([])

    await start_service("firmware", firmware)
    paths.system("/proc/uptime").write_text("12.5 10.0\n")
    request = {"type": "SelfTestDiagnostics"}
    (paths.uci_dir / "cwmp").write_text("config cwmp 'cwmp'\n")
    answer = await client.call("cwmp.diagnostics", "run", request, timeout=20)
    assert answer["results"]["Results"].startswith("passed\n")
    assert "why" not in answer
    (paths.uci_dir / "cwmp").write_text("config cwmp 'cwmp\n")
    answer = await client.call("cwmp.diagnostics", "run", request, timeout=20)
    assert answer["results"]["Results"].startswith("failed\n")
    assert answer["why"] == "configuration failed"


async def test_the_self_test_where_nothing_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = SimpleNamespace(path=tmp_path / "file/diagnostics/inputs.json")
    runtime = SimpleNamespace(state=lambda *_: state)
    assert "takes nothing" in await selftest.checks(cast(Any, runtime))["storage"]()


@pytest.mark.parametrize("test", [t for t in service.TESTS if t.required], ids=lambda t: t.name)
async def test_each_can_be_made_by_ubus(
    acs: Acs, client: Client, test: Definition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each ends, with all its results, where what it is to measure has no address."""

    async def only_numeric(*args: Any, **_: Any) -> Any:  # no test asks a name server
        return socket.getaddrinfo(*args, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(trio.socket, "getaddrinfo", only_numeric)
    targets = {"HostName": "h", "DNSServer": "::1::", "HostList": "::1::", "Host": "::1::"}
    inputs = {name: value for name, value in targets.items() if name in test.inputs}
    inputs |= {name: "http://[::1]/" for name in test.inputs if name.endswith("URL")}
    inputs |= {"ProtocolVersion": "IPv4"} if "ProtocolVersion" in test.inputs else {}
    inputs |= {"TestFileLength": "1"} if "TestFileLength" in test.inputs else {}
    request = {"type": test.name, "args": inputs}
    answer = await client.call("cwmp.diagnostics", "run", request, timeout=30)
    assert answer["state"] in ("Error_CannotResolveHostName", "Error_DNSServerNotResolved")
    assert set(answer["results"]) == set(test.results)
    assert answer["why"]


@pytest.mark.parametrize("test", ["UDPEchoDiagnostics", "ServerSelectionDiagnostics"])
async def test_interfaces_that_must_be_there(acs: Acs, test: str) -> None:
    path = f"Device.IP.Diagnostics.{test}."
    await acs.set(path, Interface="")
    with pytest.raises(Fault) as caught:
        await acs.set(path, Interface="Device.IP.Interface.99")
    assert [(p.name, p.code) for p in caught.value.parameters] == [(f"{path}Interface", 9007)]


async def test_interfaces_that_may_dangle(acs: Acs) -> None:
    await acs.set(ROUTE, Host="127.0.0.1", Interface="Device.IP.Interface.99", DiagnosticsState="Requested")
    await acs.event()
    assert (await acs.get(ROUTE))[f"{ROUTE}DiagnosticsState"] == "Error_Internal"
