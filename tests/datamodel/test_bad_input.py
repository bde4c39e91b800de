"""What nobody should send, answer or write into a mapping file: a clear fault, nothing half done, nothing run."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.datamodel.offline import Datamodel, model_in
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault
from cwmp.contract.datamodel import AddObject, DeleteObject, SetValues
from cwmp.datamodel.loader import load
from cwmp.datamodel.paths import InvalidName, resolve
from cwmp.datamodel.service import mapping_directories
from cwmp.runtime import Paths, Runtime
from ubuskit.blob import EncodeError
from ubuskit.client import Client, Method, Request
from ubuskit.uci import FileOps, Uci

SSID = "Device.WiFi.SSID.1.SSID"
STATUS = "Device.IP.Interface.2.Status"
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
KEY = "Device.ManagementServer.ParameterKey"

StartDatamodel = Callable[[], Awaitable[Runtime]]


async def fault_of(asking: Awaitable[Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        await asking
    return caught.value


# Names


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "Device",
        "Device.",
        "Device.WiFi.SSID.1.SSID.",
        "Device.WiFi.SSID.1.",
        "Device.WiFi.SSID.",
        "Device.WiFi.SSID.99.SSID",
        "Device.WiFi.SSID.0.SSID",
        "Device.WiFi.SSID.-1.SSID",
        "Device.WiFi.SSID.1e0.SSID",
        "Device.WiFi.SSID.99999999999999999999.SSID",
        "Device.WiFi.SSID.\N{ARABIC-INDIC DIGIT ONE}.SSID",
        "Device..WiFi.SSID.1.SSID",
        "Device.WiFi.SSID.1.SSID ",
        " Device.WiFi.SSID.1.SSID",
        "Device.WiFi.SSID.1.ssid",
        "Device.WiFi.SSID.{i}.SSID",
        "Device.WiFi.SSID.*.SSID",
        "Device.WiFi.SSID.$(reboot).SSID",
        "Device.WiFi.SSID.1.SSID\n",
        "Device.WiFi.SSID.1.SSID" + "x" * 250,
        "Device." + "A." * 200,
        "../../etc/passwd",
    ],
)
async def test_a_name_of_nothing_is_refused_in_every_request(acs: Acs, router: Router, name: str) -> None:
    before = {path.name: path.read_text() for path in router.paths.uci_dir.iterdir()}
    fault = await fault_of(acs.set_all({name: "x", EXAMPLE: "never"}, "never"))
    assert fault.code == 9003
    assert [p.code for p in fault.parameters] == [9005]
    assert len(fault.text) < 700
    if not name.endswith(("SSID.", "SSID.1.", "Device.")) and name:
        for asked in (acs.get(name), acs.names(name, False), acs.attributes(name)):
            if "*" not in name:
                assert (await fault_of(asked)).code == 9005
            else:
                await asked
        assert (await fault_of(acs.notify(1, name))).code == 9005
    if name != "Device.WiFi.SSID.":
        assert (await fault_of(acs.add(name))).code == 9005
    if name != "Device.WiFi.SSID.1.":
        assert (await fault_of(acs.delete(name))).code == 9005
    assert {path.name: path.read_text() for path in router.paths.uci_dir.iterdir()} == before
    assert await acs.get(KEY) == {KEY: ""}


@given(st.text(alphabet=st.sampled_from("Device.WFSI1*[]{}-_ \n\0\udc80"), max_size=60))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_name_or_is_none(text: str) -> None:
    model = model_in((mapping_directories(Paths(*[Path("/nowhere")] * 5))[0],))
    for wildcards in (False, True):
        try:
            target = resolve(model, text, wildcards=wildcards)
        except InvalidName as fault:
            assert fault.code == 9005
        else:
            assert text in ("", "Device.") or target.path == text


# Values

NASTY = [
    "it's",
    'say "hi"',
    "$(touch /tmp/x)",
    "`reboot`",
    "a;b|c&d",
    "line one\nline two",
    "tab\there",
    "back\\slash",
    "' option evil '1",
    "ünïcödé \N{PILE OF POO}",
    "  spaces  ",
    "%s%n%x",
    "-1",
    "true",
    "false",
    "\u202e",
]


async def test_a_value_is_text_and_nothing_else(acs: Acs, router: Router) -> None:
    for value in NASTY:
        await acs.set_all({EXAMPLE: value})
        assert await acs.get(EXAMPLE) == {EXAMPLE: value}
        sections = Uci(router.paths.uci_dir, router.paths.uci_save_dir).load("mypackage").sections
        assert sections["settings"].options == {"example": value}


@given(st.text(max_size=64))
@settings(max_examples=60, deadline=None)
def test_any_value_is_kept_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="cwmp-") as directory:
        root = Path(directory)
        paths = Paths(root / "bus", root / "config", root / "state", root / "run", root)
        for path in (paths.uci_dir, paths.state_dir, paths.run_dir):
            path.mkdir()
        (paths.uci_dir / "mypackage").write_text(CONFIG["mypackage"])
        found = Datamodel(paths)

        async def put() -> bool:
            try:
                await found.writer.set_values(SetValues([EXAMPLE], ["string"], [text], "k"), "id")
            except Fault as fault:
                assert [p.code for p in fault.parameters] == [9007]
                return False
            return True

        kept = trio.run(put)
        assert found.values(EXAMPLE) == {EXAMPLE: text if kept else "factory"}
        assert found.journal.parameter_key == ("k" if kept else "")
        assert kept or not text.isprintable()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (EXAMPLE, "x" * 65, 9007),
        (EXAMPLE, "x" * 40_000, 9007),
        (EXAMPLE, "bell\7", 9007),
        (EXAMPLE, "half \ud800 a pair", 9007),
        ("Device.ManagementServer.PeriodicInformInterval", "", 9006),
        ("Device.ManagementServer.PeriodicInformInterval", "0", 9007),
        ("Device.ManagementServer.PeriodicInformInterval", "-1", 9007),
        ("Device.ManagementServer.PeriodicInformInterval", "1e3", 9006),
        ("Device.ManagementServer.PeriodicInformInterval", "0x10", 9006),
        ("Device.ManagementServer.PeriodicInformInterval", "4294967296", 9007),
        ("Device.ManagementServer.PeriodicInformInterval", "9" * 100, 9006),
        ("Device.ManagementServer.PeriodicInformEnable", "yes", 9006),
        ("Device.ManagementServer.PeriodicInformEnable", "TRUE", 9006),
        ("Device.ManagementServer.PeriodicInformTime", "tomorrow", 9006),
        ("Device.ManagementServer.PeriodicInformTime", "2026-02-30T00:00:00Z", 9007),
        ("Device.WiFi.SSID.1.LowerLayers", "Device.WiFi.Radio.9", 9007),
        ("Device.WiFi.SSID.1.LowerLayers", "Device.WiFi.Radio.1.", 9007),
        ("Device.WiFi.SSID.1.LowerLayers", "Device.WiFi", 9007),
        ("Device.WiFi.SSID.1.Alias", "1 bad", 9007),
        ("Device.WiFi.SSID.1.Alias", "", 9007),
        (KEY, "mine", 9008),
    ],
)
async def test_a_value_that_is_none_of_its_type_is_refused(
    acs: Acs, router: Router, name: str, value: str, code: int
) -> None:
    before = {path.name: path.read_text() for path in router.paths.uci_dir.iterdir()}
    try:
        fault = await fault_of(
            acs.set_all({name: value, "Device.DeviceInfo.ProvisioningCode": "never"}, "never")
        )
    except EncodeError:
        return  # it does not even get onto the bus
    assert [(p.name, p.code) for p in fault.parameters] == [(name, code)]
    assert all(value not in p.text or len(value) < 40 for p in fault.parameters)
    assert {path.name: path.read_text() for path in router.paths.uci_dir.iterdir()} == before


# Packages


async def test_a_package_that_does_not_parse_is_left_alone(acs: Acs, router: Router) -> None:
    broken = "config wifi-iface 'x\n\toption 'y"
    router.set_uci("wireless", broken)
    fault = await fault_of(acs.set_all({SSID: "x", EXAMPLE: "never"}, "never"))
    assert fault.code == 9002
    assert "wireless" in fault.text
    assert (await fault_of(acs.add("Device.WiFi.SSID."))).code == 9002
    assert router.uci("wireless") == broken
    assert "never" not in router.uci("mypackage")
    assert await acs.get(KEY) == {KEY: ""}


async def test_what_a_package_holds_may_be_no_text(acs: Acs, router: Router) -> None:
    path = router.paths.uci_dir / "mypackage"
    path.write_bytes(b"config settings 'settings'\n\toption example '\xff\xfe caf\xc3\xa9 \x07'\n")
    value = (await acs.get(EXAMPLE))[EXAMPLE]
    assert "caf\N{LATIN SMALL LETTER E WITH ACUTE}" in value
    value.encode()
    assert "\x07" not in value
    await acs.set_all({EXAMPLE: "clean"})
    assert await acs.get(EXAMPLE) == {EXAMPLE: "clean"}


# Daemons

SHAPES: list[dict[str, Any]] = [
    {},
    {"interface": "none"},
    {"interface": {"lan": 1}},
    {"interface": [1, "x", [], {}]},
    {"interface": [{"interface": 7, "up": "maybe"}]},
    {"interface": [{"interface": "lan", "up": {"deep": [1]}, "ipv4-address": "x", "uptime": "soon"}]},
    {"interface": [{"interface": "lan", "ipv4-address": [7], "uptime": -5, "l3_device": {"a": 1}}]},
]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_reply_of_another_shape_costs_its_own_values(
    acs: Acs, router: Router, shape: dict[str, Any]
) -> None:
    before = await acs.get("")
    router.replies["network.interface", "dump"] = shape
    values = await acs.get("")
    assert values["Device.DeviceInfo.HostName"] == "OpenWrt"
    assert all(isinstance(value, str) for value in values.values())
    unconcerned = ("Device.WiFi.Radio.1.Name", SSID, EXAMPLE)
    assert {n: values[n] for n in unconcerned} == {n: before[n] for n in unconcerned}
    await acs.names("", False)
    router.replies["network.interface", "dump"] = lambda: {"interface": []}
    assert "Device.DeviceInfo.HostName" in await acs.get("")


async def test_an_object_that_hangs_costs_its_own_values(
    alone: Acs,
    router: Router,
    client: Client,
    start_datamodel: StartDatamodel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cwmp.datamodel.snapshot._CALL_TIMEOUT", 0.05)

    async def hang(_request: Request) -> None:
        await trio.sleep_forever()

    await client.add_object("slow", {"status": Method(hang)})
    router.write(
        "/etc/cwmp/datamodel.d/Slow.toml",
        '["Device.X_EXAMPLE_COM_Slow."]\nubus = "slow status"\nV = { type = "string", ubus = ".v" }\n'
        'W = { type = "string", const = "w" }\n',
    )
    await start_datamodel()
    values = await alone.get("")
    assert values["Device.DeviceInfo.HostName"] == "OpenWrt"
    assert values["Device.X_EXAMPLE_COM_Slow.W"] == "w"
    assert "Device.X_EXAMPLE_COM_Slow.V" not in values
    fault = await fault_of(alone.get("Device.X_EXAMPLE_COM_Slow.V"))
    assert fault.code == 9002
    assert "slow status" in fault.text


# Mapping files


@pytest.mark.parametrize(
    "text",
    [
        # variables that need each other
        'let.a = { ubus = \'x y {"n": "{b}"} .z\' }\nlet.b = { ubus = \'x y {"n": "{a}"} .z\' }\n'
        'V = { type = "string", file = "/tmp/{a}" }\n',
        'let.a = { file = "/tmp/{a}" }\nV = { type = "string", file = "/tmp/{a}" }\n',
    ],
)
async def test_a_mapping_that_goes_in_circles_costs_itself(
    alone: Acs, router: Router, start_datamodel: StartDatamodel, text: str
) -> None:
    router.write("/etc/cwmp/datamodel.d/Loop.toml", f'["Device.X_EXAMPLE_COM_Loop."]\n{text}')
    await start_datamodel()
    everything = await alone.get("")
    assert everything["Device.DeviceInfo.HostName"] == "OpenWrt"
    assert not any(name.startswith("Device.X_EXAMPLE_COM_Loop.") for name in everything)
    assert (await fault_of(alone.get("Device.X_EXAMPLE_COM_Loop.V"))).code == 9002


LINE = '["Device.WiFi."]\nambiorix = "WiFi"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LINE + 'X = { type = "string", const = "x" }\n', "'X' cannot stand beside it"),
        (LINE + 'bbfdm = "Device.WiFi."\n', "'bbfdm' cannot stand beside it"),
        (
            LINE + '["Device.WiFi.Radio."]\nX = { type = "string", const = "x" }\n',
            "Device.WiFi.Radio. is declared too",
        ),
        (LINE + '["Device.WiFi.Radio."]\nambiorix = "Radio"\n', "is declared too"),
        ('["Device."]\nambiorix = "Device"\n', "lies in no table"),
        ('["Device.T.{i}."]\nambiorix = "T"\n', "lies in no table"),
        ('["Device.WiFi."]\nambiorix = "no path"\n', "no path of an object"),
        ('["Device.WiFi."]\nambiorix = 7\n', "should be a text"),
        ('["Device.WiFi."]\nbbfdm = "WiFi"\n', "full paths"),
    ],
)
def test_a_mount_that_collides_is_named_and_left_out(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "Bad.toml").write_text(text)
    (tmp_path / "Good.toml").write_text('["Device.X_EXAMPLE_COM_G."]\nV = { type = "string", const = "v" }\n')
    model, problems = load([tmp_path])
    assert any(reason in str(problem) for problem in problems), [str(p) for p in problems]
    good = model.find("Device.X_EXAMPLE_COM_G.")
    assert good is not None
    assert list(good.parameters) == ["V"]


async def test_two_files_that_declare_the_same_are_told_apart(
    alone: Acs, router: Router, start_datamodel: StartDatamodel
) -> None:
    for name, value in (("a", "first"), ("b", "second")):
        router.write(
            f"/etc/cwmp/datamodel.d/{name}.toml",
            f'["Device.X_EXAMPLE_COM_C."]\nV = {{ type = "string", const = "{value}" }}\n',
        )
    await start_datamodel()
    name = "Device.X_EXAMPLE_COM_C.V"
    assert await alone.get(name) == {name: "first"}


# What is counted


class Counted(FileOps):
    """Which files were replaced."""

    def __init__(self) -> None:
        self.replaced: list[str] = []

    def rename(self, source: Path, target: Path) -> None:
        self.replaced.append(target.name)
        super().rename(source, target)


def _five_packages(root: Path) -> tuple[str, list[str]]:
    """A mapping of 100 parameters in five packages, and their names."""
    lines, names = [], []
    for package in range(5):
        lines.append(f'["Device.X_EXAMPLE_COM_P{package}."]\nuci = "p{package}.s=s"')
        for n in range(20):
            lines.append(f'V{n} = {{ type = "string(64)", uci = "v{n}", write = true }}')
            names.append(f"Device.X_EXAMPLE_COM_P{package}.V{n}")
        (root / f"p{package}").write_text("")
    return "\n".join(lines) + "\n", names


def test_a_hundred_parameters_are_one_commit_a_package(files: Router, tmp_path: Path) -> None:
    mapping, names = _five_packages(files.paths.uci_dir)
    (tmp_path / "Five.toml").write_text(mapping)
    ops = Counted()
    found = Datamodel(files.paths, ops, directories=(tmp_path,))

    async def put() -> None:
        await found.writer.set_values(SetValues(names, [""] * 100, ["v"] * 100, "k"), "id")

    trio.run(put)
    assert sorted(n for n in ops.replaced if n.startswith("p")) == [f"p{n}" for n in range(5)]
    assert set(found.values("Device.").values()) == {"v"}


async def test_and_one_reload_a_daemon(alone: Acs, router: Router, start_datamodel: StartDatamodel) -> None:
    mapping, names = _five_packages(router.paths.uci_dir)
    router.write("/etc/cwmp/datamodel.d/Five.toml", mapping)
    await start_datamodel()
    await alone.set_all(dict.fromkeys(names, "v"))
    await router.wait_told(*[f"p{n}" for n in range(5)])


def test_a_table_has_room_for_so_many_rows(files: Router, tmp_path: Path) -> None:
    text = "".join(f"config t 's{n}'\n\toption v '{n}'\n" for n in range(1024))
    (files.paths.uci_dir / "full").write_text(text)
    (tmp_path / "Full.toml").write_text(
        '["Device.X_EXAMPLE_COM_F."]\n["Device.X_EXAMPLE_COM_F.T.{i}."]\nrows = { uci = "full.@t" }\n'
        'create = { v = "new" }\nV = { type = "string", uci = "v" }\n'
    )
    found = Datamodel(files.paths, directories=(tmp_path,))

    async def add() -> int:
        return (
            await fault_of(found.writer.add_object(AddObject("Device.X_EXAMPLE_COM_F.T.", "k"), "id"))
        ).code

    assert trio.run(add) == 9004

    async def delete() -> None:
        await found.writer.delete_object(DeleteObject("Device.X_EXAMPLE_COM_F.T.7.", "k"), "id-2")
        await found.writer.add_object(AddObject("Device.X_EXAMPLE_COM_F.T.", "k"), "id-3")

    trio.run(delete)
    assert (files.paths.uci_dir / "full").read_text().count("config t ") == 1024
