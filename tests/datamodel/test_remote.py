"""Subtrees that other daemons serve: the same tests for Ambiorix and for bbfdm, on the lab's daemons."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.datamodel.support import Acs, Owner, Router

from cwmp.contract import Fault
from cwmp.lab.router.ambiorix import AmbiorixDaemon
from cwmp.lab.router.bbfdm import BbfdmDaemon
from cwmp.lab.router.served import Kind, Served, Template, wifi
from cwmp.runtime import Paths, Runtime
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.uci import Uci, UciError

StartDatamodel = Callable[[], Awaitable[Runtime]]
Daemon = AmbiorixDaemon | BbfdmDaemon

RADIO = "Device.WiFi.Radio.1."
SSID = "Device.WiFi.SSID.1."
MAPPING = {
    "ambiorix": '["Device.WiFi."]\nambiorix = "WiFi"\n',
    "bbfdm": '["Device.WiFi."]\nbbfdm = "Device.WiFi."\n',
}


@pytest.fixture(params=["ambiorix", "bbfdm"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def serving(bus: Path) -> AsyncIterator[Client]:
    async with open_client(str(bus)) as client:
        yield client


def declare(router: Router, kind: str) -> None:
    """The file takes the place of ours; what else we declare of Wi-Fi makes room."""
    router.write("/etc/cwmp/datamodel.d/WiFi.toml", MAPPING[kind])
    router.write("/etc/cwmp/datamodel.d/NeighboringWiFi.toml", "")


def make(kind: str, client: Client, served: Served) -> Daemon:
    if kind == "ambiorix":
        return AmbiorixDaemon(client, "WiFi", served)
    return BbfdmDaemon(client, "Device.WiFi.", served)


@pytest.fixture
async def daemon(kind: str, serving: Client, router: Router) -> Daemon:
    declare(router, kind)
    found = make(kind, serving, wifi())
    await found.start()
    return found


@pytest.fixture
async def acs(daemon: Daemon, alone: Acs, start_datamodel: StartDatamodel) -> Acs:
    await start_datamodel()
    return alone


async def fault_of(asking: Awaitable[Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        await asking
    return caught.value


def values_of(daemon: Daemon, path: str) -> dict[str, Any]:
    found = daemon.served.find(path)
    return found.values  # type: ignore[union-attr]


async def test_the_subtree_reads_like_any_other(acs: Acs) -> None:
    values = await acs.get("Device.WiFi.")
    assert values == {
        f"{RADIO}Alias": "radio0",
        f"{RADIO}Channel": "36",
        f"{RADIO}Enable": "true",
        f"{RADIO}Status": "Up",
        f"{RADIO}Stats.BytesSent": "0",
        f"{SSID}Alias": "cpe-row-1",
        f"{SSID}Enable": "true",
        f"{SSID}KeyPassphrase": "",  # TR-181 lets nobody read it
        f"{SSID}LowerLayers": "",
        f"{SSID}SSID": "prpl",
    }
    everything = await acs.get("")
    assert everything.items() >= values.items()
    assert "Device.DeviceInfo.HostName" in everything
    assert await acs.types(RADIO) == {
        f"{RADIO}Alias": "string",
        f"{RADIO}Channel": "unsignedInt",
        f"{RADIO}Enable": "boolean",
        f"{RADIO}Status": "string",
        f"{RADIO}Stats.BytesSent": "unsignedLong",
    }


async def test_exact_names_and_wildcards(acs: Acs, daemon: Daemon) -> None:
    await acs.get("Device.WiFi.")
    daemon.calls.clear()
    assert await acs.get(f"{RADIO}Channel") == {f"{RADIO}Channel": "36"}
    assert not any(path == "" for _, path in daemon.calls), "an exact name reads its own object"
    daemon.calls.clear()
    await acs.get("Device.WiFi.")
    assert len(daemon.calls) == 1
    assert await acs.get("Device.WiFi.SSID.*.SSID") == {f"{SSID}SSID": "prpl"}
    assert await acs.get("Device.WiFi.Radio.*.Stats.") == {f"{RADIO}Stats.BytesSent": "0"}
    for missing in ("Device.WiFi.Radio.2.Channel", "Device.WiFi.Radio.1.Nothing", "Device.WiFi.Nothing."):
        assert (await fault_of(acs.get(missing))).code == 9005


async def test_names_and_access(acs: Acs) -> None:
    names = await acs.names("Device.WiFi.", False)
    assert names == {
        "Device.WiFi.": False,
        "Device.WiFi.Radio.": False,
        RADIO: False,
        f"{RADIO}Alias": True,
        f"{RADIO}Channel": True,
        f"{RADIO}Enable": True,
        f"{RADIO}Status": False,
        f"{RADIO}Stats.": False,
        f"{RADIO}Stats.BytesSent": False,
        "Device.WiFi.SSID.": True,
        SSID: True,
        f"{SSID}Alias": True,
        f"{SSID}Enable": True,
        f"{SSID}KeyPassphrase": True,
        f"{SSID}LowerLayers": True,
        f"{SSID}SSID": True,
    }
    assert await acs.names("Device.WiFi.SSID.", True) == {SSID: True}
    assert await acs.names("Device.WiFi.", True) == {"Device.WiFi.Radio.": False, "Device.WiFi.SSID.": True}
    assert await acs.names(f"{RADIO}Channel", False) == {f"{RADIO}Channel": True}


async def test_values_are_set_with_everything_else(acs: Acs, daemon: Daemon, router: Router) -> None:
    status = await acs.set_all(
        {
            f"{RADIO}Channel": "44",
            f"{RADIO}Enable": "false",
            f"{SSID}SSID": "quotes \" and $(reboot)'",
            "Device.DeviceInfo.HostName": "both",
        },
        "together",
    )
    assert status == 0
    assert values_of(daemon, "Radio.1.")["Channel"] == 44
    assert values_of(daemon, "Radio.1.")["Enable"] is False
    assert values_of(daemon, "SSID.1.")["SSID"] == "quotes \" and $(reboot)'"
    assert "hostname 'both'" in router.uci("system")
    key = "Device.ManagementServer.ParameterKey"
    assert await acs.get(key, f"{RADIO}Channel") == {key: "together", f"{RADIO}Channel": "44"}
    journal = json.loads((router.paths.state_dir / "datamodel/journal.json").read_text())
    assert journal["remote"] == {}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (f"{RADIO}Channel", "0", 9007),  # the daemon's own opinion
        (f"{RADIO}Channel", "many", 9006),
        (f"{RADIO}Status", "Down", 9008),
        (f"{RADIO}Nothing", "1", 9005),
        ("Device.WiFi.Radio.9.Channel", "1", 9005),
        (f"{SSID}SSID", "x" * 33, 9007),
        (f"{SSID}SSID", "control\1", 9007),
    ],
)
async def test_what_is_refused_changes_nothing_anywhere(
    acs: Acs, daemon: Daemon, router: Router, name: str, value: str, code: int
) -> None:
    before = {path: dict(values_of(daemon, path)) for path in ("Radio.1.", "SSID.1.")}
    wanted = {f"{SSID}Enable": "false", name: value, "Device.DeviceInfo.HostName": "never"}
    fault = await fault_of(acs.set_all(wanted, "never"))
    assert fault.code == 9003
    assert (name, code) in [(p.name, p.code) for p in fault.parameters]
    assert {path: values_of(daemon, path) for path in before} == before
    assert "never" not in router.uci("system")
    key = "Device.ManagementServer.ParameterKey"
    assert await acs.get(key) == {key: ""}
    assert (await acs.get(f"{SSID}Enable")) == {f"{SSID}Enable": "true"}


async def test_rows_come_and_go_under_the_daemons_numbers(acs: Acs, daemon: Daemon) -> None:
    added = await acs.add("Device.WiFi.SSID.", "added")
    assert added.instance_number == 2
    await acs.set_all({"Device.WiFi.SSID.2.SSID": "guest"})
    assert (await acs.get("Device.WiFi.SSID.2."))["Device.WiFi.SSID.2.SSID"] == "guest"
    assert values_of(daemon, "SSID.2.")["SSID"] == "guest"
    await acs.notify(1, "Device.WiFi.SSID.2.SSID")
    await acs.delete("Device.WiFi.SSID.2.", "deleted")
    assert await acs.names("Device.WiFi.SSID.", True) == {SSID: True}
    assert (await acs.add("Device.WiFi.SSID.")).instance_number == 3
    key = "Device.ManagementServer.ParameterKey"
    assert await acs.get(key) == {key: "key"}
    assert (await acs.attributes("Device.WiFi.SSID.3.SSID"))["Device.WiFi.SSID.3.SSID"][0] == 0
    for refused in (acs.add("Device.WiFi.Radio."), acs.delete(RADIO), acs.delete("Device.WiFi.SSID.9.")):
        assert (await fault_of(refused)).code == 9005


async def test_an_empty_table_shows_its_parameters_with_its_first_row(acs: Acs, daemon: Daemon) -> None:
    await acs.delete(SSID)
    assert await acs.get("Device.WiFi.SSID.") == {}
    assert await acs.names("Device.WiFi.SSID.", False) == {"Device.WiFi.SSID.": True}
    number = (await acs.add("Device.WiFi.SSID.")).instance_number
    assert (await acs.get(f"Device.WiFi.SSID.{number}.SSID")) == {f"Device.WiFi.SSID.{number}.SSID": ""}


async def test_a_change_the_daemon_tells_of_is_notified(
    acs: Acs, daemon: Daemon, session: Owner, router: Router
) -> None:
    await acs.informed(await acs.inform("0 BOOTSTRAP"))
    await acs.notify(2, f"{RADIO}Channel")
    if isinstance(daemon, AmbiorixDaemon):
        await daemon._do_set("Radio.1.", {"parameters": {"Channel": 100}})
    else:
        daemon.served.set("Radio.1.", {"Channel": 100})
        await daemon.tell()
    await session.wait_raised(1)
    assert session.raised == ["4 VALUE CHANGE"]
    found = await acs.inform("4 VALUE CHANGE")
    assert dict(zip(found.names, found.values, strict=True))[f"{RADIO}Channel"] == "100"


async def test_a_daemon_that_is_away_costs_its_own_values(acs: Acs, daemon: Daemon) -> None:
    await acs.get("Device.WiFi.")
    await daemon.stop()
    everything = await acs.get("")
    assert "Device.DeviceInfo.HostName" in everything
    assert not any(name.startswith("Device.WiFi.") for name in everything)
    fault = await fault_of(acs.get(f"{RADIO}Channel"))
    assert fault.code == 9002
    assert "WiFi" in fault.text or "bbfdm" in fault.text
    assert (await fault_of(acs.set_all({f"{RADIO}Channel": "44"}))).code == 9002
    await daemon.start()
    assert (await acs.get(f"{RADIO}Channel")) == {f"{RADIO}Channel": "36"}


async def test_a_daemon_that_comes_later_is_found(
    kind: str, alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel, client: Client
) -> None:
    declare(router, kind)
    await start_datamodel()
    assert await alone.get("Device.WiFi.") == {}
    assert (await fault_of(alone.get(f"{RADIO}Channel"))).code == 9005
    assert (await client.call("cwmp.datamodel", "status"))["unreachable"] == ["Device.WiFi."]
    await make(kind, serving, wifi()).start()
    assert (await alone.get(f"{RADIO}Channel")) == {f"{RADIO}Channel": "36"}
    assert (await client.call("cwmp.datamodel", "status"))["unreachable"] == []


async def test_another_shape_after_an_upgrade(
    acs: Acs, daemon: Daemon, kind: str, serving: Client, router: Router
) -> None:
    await acs.get("Device.WiFi.")
    await daemon.stop()
    other = Served(Template({"Mode": Kind("string", "new")}))
    await make(kind, serving, other).start()
    assert await acs.get("Device.WiFi.") == {"Device.WiFi.Mode": "new"}
    assert (await fault_of(acs.get(f"{RADIO}Channel"))).code == 9005


async def test_a_parameter_that_vanishes_between_two_reads(acs: Acs, daemon: Daemon) -> None:
    await acs.get("Device.WiFi.")
    del values_of(daemon, "Radio.1.")["Channel"]
    values = await acs.get(RADIO)
    assert f"{RADIO}Channel" not in values
    assert values[f"{RADIO}Status"] == "Up"
    assert (await fault_of(acs.get(f"{RADIO}Channel"))).code in (9002, 9005)


GARBAGE: list[dict[str, Any]] = [
    {},
    {"results": "none"},
    {"results": [{"path": "Elsewhere.X", "data": "1"}]},
    {"results": [{"data": "1"}, 7]},
    {"Elsewhere.": {"Channel": 1}},
    {"WiFi.": 7, "amxd-error-code": 0},
    {"amxb_result_size": 3},
    {"amxd-error-code": "zero"},
    {"parameters": [1], "objects": {"a": 1}, "type_id": "x", "amxd-error-code": 0},
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_a_failed_source(
    kind: str, alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel,
    garbage: dict[str, Any],
) -> None:  # fmt: skip
    declare(router, kind)

    async def answer(_request: Request) -> dict[str, Any]:
        return garbage

    args: dict[str, Any] = {"path": str, "optional": dict, "rel_path": str, "first_level": bool}
    names = ("_describe", "_get", "_get_instances", "_set", "get", "schema", "instances", "set")
    name = "WiFi" if kind == "ambiorix" else "bbfdm"
    await serving.add_object(name, {n: Method(answer, args) for n in names})
    await start_datamodel()
    values = await alone.get("")
    assert "Device.DeviceInfo.HostName" in values
    assert not any(n.startswith("Device.WiFi.") for n in values)


async def test_a_change_cut_off_by_a_crash_is_taken_back_or_finished(
    alone: Acs, daemon: Daemon, kind: str, router: Router, start_datamodel: StartDatamodel, paths: Paths
) -> None:
    runtime = await start_datamodel()
    await alone.set_all({f"{RADIO}Channel": "40"}, "good")
    runtime.nursery.cancel_scope.cancel()
    file = paths.state_dir / "datamodel/journal.json"
    journal = json.loads(file.read_text())
    native: tuple[Any, Any, Any] = (52, 40, True) if kind == "ambiorix" else ("52", "40", "1")
    journal["remote"] = {
        "Device.WiFi.": {"set": [["Radio.1.", {"Channel": native[0]}, {"Channel": native[1]}]]}
    }
    file.write_text(json.dumps(journal))
    if isinstance(daemon, AmbiorixDaemon):
        values_of(daemon, "Radio.1.")["Channel"] = 52  # set, and then came the power cut
    else:
        daemon._staged = daemon.served.copy()
        daemon._staged.set("Radio.1.", {"Channel": 52})
    await start_datamodel()
    assert await alone.get(f"{RADIO}Channel") == {f"{RADIO}Channel": "40"}
    assert json.loads(file.read_text())["remote"] == {}


async def test_what_somebody_else_changed_meanwhile_is_not_taken_back(
    alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel, paths: Paths
) -> None:
    declare(router, "ambiorix")
    daemon = make("ambiorix", serving, wifi())
    await daemon.start()
    state = paths.state_dir / "datamodel"
    state.mkdir(parents=True)
    note = {
        "Device.WiFi.": {
            "set": [["Radio.1.", {"Channel": 52, "Enable": False}, {"Channel": 40, "Enable": True}]]
        }
    }
    (state / "journal.json").write_text(json.dumps({"version": 1, "remote": note}))
    values_of(daemon, "Radio.1.").update(Channel=149, Enable=False)
    await start_datamodel()
    assert (await alone.get(f"{RADIO}Channel", f"{RADIO}Enable")) == {
        f"{RADIO}Channel": "149",
        f"{RADIO}Enable": "true",
    }


async def test_bbfdm_commits_what_was_accepted_when_it_is_back(
    alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel, paths: Paths
) -> None:
    declare(router, "bbfdm")
    daemon = make("bbfdm", serving, wifi())
    assert isinstance(daemon, BbfdmDaemon)
    state = paths.state_dir / "datamodel"
    state.mkdir(parents=True)
    note = {"Device.WiFi.": {"commit": True}}
    (state / "journal.json").write_text(json.dumps({"version": 1, "remote": note}))
    daemon._staged = daemon.served.copy()
    daemon._staged.set("Radio.1.", {"Channel": 52})
    await start_datamodel()
    await daemon.start()
    assert await alone.get(f"{RADIO}Channel") == {f"{RADIO}Channel": "52"}
    assert daemon.commits == 1


async def test_large_answers_come_in_pieces(
    alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel
) -> None:
    declare(router, "ambiorix")
    served = wifi()
    for number in range(30):
        served.add("SSID.", {"SSID": f"net-{number}"})
    await AmbiorixDaemon(serving, "Device.WiFi", served, piece=7).start()  # registered with Device., too
    await start_datamodel()
    values = await alone.get("Device.WiFi.")
    assert len([n for n in values if n.endswith(".SSID")]) == 31
    assert values["Device.WiFi.SSID.31.SSID"] == "net-29"


async def test_a_daemon_that_hangs_costs_its_own_values(
    kind: str, alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(f"cwmp.datamodel.remote.{kind}._TIMEOUT", 0.05)
    declare(router, kind)
    daemon = make(kind, serving, wifi())
    await daemon.start()
    await start_datamodel()
    await alone.get("Device.WiFi.")
    await daemon.stop()

    async def hang(_request: Request) -> None:
        await trio.sleep_forever()

    names = ("_describe", "_get", "_get_instances", "_set", "get", "schema", "instances", "set")
    name = "WiFi" if kind == "ambiorix" else "bbfdm"
    args: dict[str, Any] = {"path": str, "optional": dict, "rel_path": str, "first_level": bool}
    await serving.add_object(name, {n: Method(hang, args) for n in names})
    assert "Device.DeviceInfo.HostName" in await alone.get("")
    assert (await fault_of(alone.get(f"{RADIO}Channel"))).code == 9002
    assert (await fault_of(alone.set_all({f"{RADIO}Channel": "44"}))).code == 9002


async def test_it_is_explained(acs: Acs, client: Client, kind: str) -> None:
    await acs.get("Device.WiFi.")
    found = await client.call("cwmp.datamodel", "describe", {"path": f"{RADIO}Channel"})
    daemon = "ambiorix WiFi" if kind == "ambiorix" else "bbfdm Device.WiFi"
    assert found == {
        "name": f"{RADIO}Channel",
        "declared": daemon,
        "type": "unsignedInt",
        "access": "readWrite",
        "notification": 0,
        "source": "",
        "reads": [daemon],
        "told": [daemon],
    }


async def test_where_our_own_commit_fails_the_daemon_has_its_old_values(
    acs: Acs, daemon: Daemon, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    await acs.set_all({f"{RADIO}Channel": "40"}, "before")

    def full(*_args: Any, **_more: Any) -> None:
        raise UciError(router.paths.uci_dir, 0, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Uci, "apply", full)
        fault = await fault_of(acs.set_all({f"{RADIO}Channel": "44", f"{SSID}SSID": "never"}, "never"))
        assert fault.code == 9002
        assert "No space left" in fault.text
        assert (await fault_of(acs.add("Device.WiFi.SSID."))).code == 9002
    assert await acs.get(f"{RADIO}Channel", f"{SSID}SSID") == {f"{RADIO}Channel": "40", f"{SSID}SSID": "prpl"}
    assert await acs.names("Device.WiFi.SSID.", True) == {SSID: True}
    journal = json.loads((router.paths.state_dir / "datamodel/journal.json").read_text())
    assert (journal["remote"], journal["parameter_key"]) == ({}, "before")
    await acs.set_all({f"{RADIO}Channel": "48"}, "after")
    assert values_of(daemon, "Radio.1.")["Channel"] == 48


async def test_a_slow_description_is_asked_for_again(
    kind: str, alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("cwmp.datamodel.remote.mounts._SETTLE", 0.02)
    monkeypatch.setattr("cwmp.datamodel.remote.mounts._AGAIN", 0.0)
    declare(router, kind)
    daemon = make(kind, serving, wifi())
    gate = trio.Event()
    name = "_do_describe" if kind == "ambiorix" else "_schema"
    answer = getattr(daemon, name)

    async def slow(*args: Any) -> Any:
        await gate.wait()
        return await answer(*args)

    monkeypatch.setattr(daemon, name, slow)
    await daemon.start()
    await start_datamodel()
    assert await alone.get("Device.WiFi.") == {}
    gate.set()
    with trio.fail_after(10):
        while f"{RADIO}Channel" not in await alone.get("Device.WiFi."):
            pass


async def test_rows_have_aliases_there_too(acs: Acs) -> None:
    number = (await acs.add("Device.WiFi.SSID.[guest].")).instance_number
    assert await acs.get("Device.WiFi.SSID.[guest].Alias") == {"Device.WiFi.SSID.[guest].Alias": "guest"}
    await acs.set_all({"Device.WiFi.SSID.[guest].SSID": "for guests"})
    assert await acs.get(f"Device.WiFi.SSID.{number}.SSID") == {
        f"Device.WiFi.SSID.{number}.SSID": "for guests"
    }
    assert (await fault_of(acs.add("Device.WiFi.SSID.[guest]."))).code == 9005
    fault = await fault_of(acs.set_all({"Device.WiFi.Radio.[radio0].Channel": "0"}))
    assert [(p.name, p.code) for p in fault.parameters] == [("Device.WiFi.Radio.[radio0].Channel", 9007)]
    await acs.set_all({"Device.ManagementServer.InstanceMode": "InstanceAlias"})
    assert "Device.WiFi.SSID.[guest].SSID" in await acs.get("Device.WiFi.")
    assert set(await acs.names("Device.WiFi.SSID.", True)) == {
        "Device.WiFi.SSID.[cpe-row-1].",
        "Device.WiFi.SSID.[guest].",
    }
    await acs.delete("Device.WiFi.SSID.[guest].")
    assert set(await acs.names("Device.WiFi.SSID.", True)) == {"Device.WiFi.SSID.[cpe-row-1]."}


async def test_what_a_set_brings_about_is_no_news_to_the_acs(
    alone: Acs, serving: Client, router: Router, start_datamodel: StartDatamodel, session: Owner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    declare(router, "ambiorix")
    daemon = make("ambiorix", serving, wifi())
    assert isinstance(daemon, AmbiorixDaemon)
    put = daemon._do_set

    async def put_and_restart(path: str, args: Any) -> dict[str, Any]:
        found = await put(path, args)
        values_of(daemon, "Radio.1.")["Status"] = "Dormant"
        return found

    monkeypatch.setattr(daemon, "_do_set", put_and_restart)
    await daemon.start()
    await start_datamodel()
    await alone.informed(await alone.inform("0 BOOTSTRAP"))
    await alone.notify(1, f"{RADIO}Status", f"{RADIO}Channel")
    await alone.set_all({f"{RADIO}Channel": "44"})
    assert await alone.get(f"{RADIO}Status") == {f"{RADIO}Status": "Dormant"}
    assert not (await alone.inform("2 PERIODIC")).value_change
    values_of(daemon, "Radio.1.")["Status"] = "Up"
    assert (await alone.inform("2 PERIODIC")).value_change
