"""The virtual router: its daemons answer like the real ones and react; images are really checked; boots are boots."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from cwmp.lab.router import Options, Router, RouterError, Version, build, check, open_router
from cwmp.lab.router.process import Process
from ubuskit.client import Client, open_client
from ubuskit.errors import InvalidArgument, NotFound, NotSupported, StatusError, UbusError
from ubuskit.uci import Set

NEW = Version("24.10.1", "r28597-0425664679")


@pytest.fixture
async def router(short_dir: Path) -> AsyncIterator[Router]:
    """A router without the services."""
    async with open_router(short_dir / "lab", Options(services=())) as running:
        yield running


@pytest.fixture
async def bus(router: Router) -> AsyncIterator[Client]:
    async with open_client(str(router.paths.bus)) as client:
        yield client


def change(router: Router, package: str, section: str, **options: str) -> None:
    from ubuskit.uci import Uci

    uci = Uci(router.paths.uci_dir, router.paths.uci_save_dir)
    uci.apply({package: [Set(section, name, value) for name, value in options.items()]})


async def changed(bus: Client, package: str) -> None:
    await bus.call("service", "event", {"type": "config.change", "data": {"package": package}})


async def test_all_objects_are_there(bus: Client) -> None:
    paths = {found.path for found in await bus.lookup()}
    assert paths >= {
        "system",
        "service",
        "network",
        "network.device",
        "network.wireless",
        "network.interface",
        "network.interface.loopback",
        "network.interface.lan",
        "network.interface.wan",
        "iwinfo",
        "dhcp",
    }


async def test_system_board_is_read_from_the_sandbox(bus: Client, router: Router) -> None:
    board = await bus.call("system", "board")
    assert board["release"]["version"] == "24.10.0"
    assert board["hostname"] == "OpenWrt"
    assert "DISTRIB_RELEASE='24.10.0'" in router.paths.system("/etc/openwrt_release").read_text()


async def test_the_address_changes_when_netifd_is_told_and_not_before(bus: Client, router: Router) -> None:
    heard: list[dict[str, object]] = []
    await bus.listen("network.interface", lambda _, data: heard.append(data))
    change(router, "network", "lan", ipaddr="10.1.2.1", netmask="255.255.0.0")
    status = await bus.call("network.interface.lan", "status")
    assert status["ipv4-address"] == [{"address": "192.168.1.1", "mask": 24}]
    await changed(bus, "network")
    status = await bus.call("network.interface.lan", "status")
    assert status["ipv4-address"] == [{"address": "10.1.2.1", "mask": 16}]
    assert await bus.call("network.interface", "status", {"interface": "lan"}) == status
    assert heard == [{"action": "ifup", "interface": "lan"}]
    assert router.told == {"network": 1}


async def test_an_interface_comes_and_goes_with_its_section(bus: Client, router: Router) -> None:
    config = router.paths.uci_dir / "network"
    before = config.read_text()
    config.write_text(
        before + "\nconfig interface 'guest'\n\toption proto 'static'\n\toption ipaddr '10.9.0.1/24'\n"
    )
    await changed(bus, "network")
    status = await bus.call("network.interface.guest", "status")
    assert status["ipv4-address"] == [{"address": "10.9.0.1", "mask": 24}]
    config.write_text(before)
    await changed(bus, "network")
    with pytest.raises(NotFound):
        await bus.call("network.interface.guest", "status")


async def test_the_dump_has_every_interface_as_its_status_says(bus: Client) -> None:
    dump = await bus.call("network.interface", "dump")
    assert [i["interface"] for i in dump["interface"]] == ["lan", "loopback", "wan", "wan6"]
    wan = dump["interface"][2]
    assert wan["proto"] == "dhcp"
    assert wan["route"][0]["nexthop"] == "203.0.113.1"
    lan, wan6 = dump["interface"][0], dump["interface"][3]
    assert wan6["ipv6-prefix"][0]["assigned"] == {"lan": {"address": "2001:db8:100::", "mask": 60}}
    assert [part["local-address"]["address"] for part in lan["ipv6-prefix-assignment"]] == [
        "2001:db8:100::1",
        "fd12:3456:789a::1",
    ]


async def test_netifd_knows_the_devices_that_its_configuration_names(bus: Client, router: Router) -> None:
    devices = await bus.call("network.device", "status")
    assert sorted(devices) == ["br-lan", "lan1", "lan2", "lan3", "lan4", "lo", "phy0-ap0", "wan"]
    assert devices["br-lan"]["bridge-members"] == ["lan1", "lan2", "lan3", "lan4", "phy0-ap0"]
    assert "devtype" not in devices["lo"]
    config = router.paths.uci_dir / "network"
    config.write_text(
        config.read_text()
        + "\nconfig device\n\toption name 'lan4'\n\toption enabled '0'\n"
        + "\nconfig bridge-vlan\n\toption device 'br-lan'\n\toption vlan '10'\n\tlist ports 'lan1:u*'\n"
        + "\nconfig interface 'ten'\n\toption proto 'static'\n\toption device 'br-lan.10'\n"
    )
    await changed(bus, "network")
    devices = await bus.call("network.device", "status")
    assert "lan4" not in devices
    assert (await bus.call("network.device", "status", {"name": "lan4"}))["present"] is False
    assert devices["br-lan"]["bridge-vlans"] == [{"id": 10, "local": True, "ports": ["lan1:*"]}]
    assert (devices["br-lan.10"]["parent"], devices["br-lan.10"]["vid"]) == ("br-lan", 10)


async def test_an_interface_is_taken_down_and_up(bus: Client) -> None:
    heard: list[object] = []
    await bus.listen("network.interface", lambda _, data: heard.append(data.get("action")))
    await bus.call("network.interface", "down", {"interface": "lan"})
    assert (await bus.call("network.interface.lan", "status"))["up"] is False
    await bus.call("network.interface.lan", "up")
    assert (await bus.call("network.interface.lan", "status"))["up"] is True
    assert heard == ["ifdown", "ifup"]


async def test_a_ppp_connection(bus: Client, router: Router) -> None:
    change(router, "network", "wan", proto="pppoe", username="u")
    await changed(bus, "network")
    status = await bus.call("network.interface.wan", "status")
    assert (status["l3_device"], status["device"]) == ("pppoe-wan", "wan")
    assert status["ipv4-address"] == [{"address": "203.0.113.120", "mask": 32, "ptpaddress": "203.0.113.101"}]


async def test_the_ssid_changes_when_netifd_is_told(bus: Client, router: Router) -> None:
    change(router, "wireless", "default_radio0", ssid="Blå æble")
    await changed(bus, "wireless")
    radio = (await bus.call("network.wireless", "status"))["radio0"]
    assert radio["interfaces"][0]["config"]["ssid"] == "Blå æble"
    assert radio["interfaces"][0]["ifname"] == "phy0-ap0"
    assert (await bus.call("iwinfo", "info", {"device": "phy0-ap0"}))["ssid"] == "Blå æble"


async def test_a_disabled_radio_is_down(bus: Client, router: Router) -> None:
    change(router, "wireless", "radio0", disabled="1")
    await changed(bus, "wireless")
    radio = (await bus.call("network.wireless", "status"))["radio0"]
    assert (radio["up"], radio["disabled"]) == (False, True)
    assert (await bus.call("iwinfo", "devices")) == {"devices": []}


async def test_a_broken_file_leaves_what_is_in_force(bus: Client, router: Router) -> None:
    (router.paths.uci_dir / "network").write_text("config interface 'lan\n\toption")
    await changed(bus, "network")
    status = await bus.call("network.interface.lan", "status")
    assert status["ipv4-address"] == [{"address": "192.168.1.1", "mask": 24}]


async def test_wrong_arguments_are_refused_as_the_daemons_refuse_them(bus: Client) -> None:
    for path, method, args, error in [
        ("network.interface", "status", {}, InvalidArgument),
        ("network.interface", "status", {"interface": "nowhere"}, NotFound),
        ("network.device", "status", {"name": "nowhere"}, InvalidArgument),
        ("service", "event", {"type": "config.change"}, InvalidArgument),
        ("system", "sysupgrade", {"path": "/tmp/x"}, InvalidArgument),
    ]:
        with pytest.raises(error):
            await bus.call(path, method, args)


def test_an_image_is_whole_or_it_is_not(tmp_path: Path) -> None:
    image = tmp_path / "image"
    data = build(NEW, size=1000)
    image.write_bytes(data)
    assert check(image)["valid"] is True
    for broken in (data[:-1], data[1:], data[:500] + b"\x00" + data[501:], b"", b"hello", data + b"\x00"):
        image.write_bytes(broken)
        found = check(image)
        assert (found["valid"], found["forceable"]) == (False, False)
    image.write_bytes(build(Version("24.10.1", "r1", board="other,board")))
    found = check(image)
    assert (found["valid"], found["forceable"]) == (False, True)
    assert found["tests"]["fwtool_device_match"] is False


async def test_sysupgrade_refuses_what_validation_refuses(bus: Client, router: Router) -> None:
    router.paths.system("/tmp/bad.bin").write_bytes(build(NEW)[:-5])
    found = await bus.call("system", "validate_firmware_image", {"path": "/tmp/bad.bin"})
    assert found["valid"] is False
    with pytest.raises(NotSupported):
        await bus.call("system", "sysupgrade", {"path": "/tmp/bad.bin", "prefix": "/tmp/root"})
    assert (router.boots, router.upgrades) == (1, [])


async def test_sysupgrade_boots_the_new_version_and_keeps_the_configuration(
    bus: Client, router: Router
) -> None:
    boot_id = router.paths.system("/proc/sys/kernel/random/boot_id").read_text()
    change(router, "mypackage", "settings", example="kept")
    (router.paths.run_dir / "volatile").write_text("x")
    (router.paths.state_dir / "durable").write_text("x")
    router.paths.system("/tmp/image.bin").write_bytes(build(NEW))
    with pytest.raises(UbusError):
        await bus.call("system", "sysupgrade", {"path": "/tmp/image.bin", "prefix": "/tmp/root"})
    await router.until(lambda: router.boots == 2)
    board = await bus.call("system", "board")
    assert board["release"]["version"] == "24.10.1"
    assert router.upgrades == [NEW]
    assert router.paths.system("/proc/sys/kernel/random/boot_id").read_text() != boot_id
    assert not (router.paths.run_dir / "volatile").exists()
    assert (router.paths.state_dir / "durable").exists()
    assert router.uci("mypackage").sections["settings"].options["example"] == "kept"


async def test_reboot_answers_and_then_boots_anew(bus: Client, router: Router) -> None:
    assert await bus.call("system", "reboot") == {}
    await router.until(lambda: router.boots == 2)
    assert (await bus.call("system", "info"))["uptime"] <= 1


async def test_the_power_may_go_at_any_time(bus: Client, router: Router) -> None:
    await router.power_cycle()
    assert router.boots == 2
    assert (await bus.call("system", "board"))["release"]["version"] == "24.10.0"


async def test_the_bus_may_go_at_any_time(bus: Client, router: Router) -> None:
    """The daemons' objects come back by themselves, as with the real ones."""
    await router.restart_bus()
    while True:
        try:
            board = await bus.call("system", "board")
        except (StatusError, UbusError):
            await trio.testing.wait_all_tasks_blocked()
        else:
            break
    assert board["board_name"] == "lab,router"


async def test_a_path_too_long_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="shorter path"):
        async with open_router(tmp_path / ("x" * 100)):
            raise AssertionError


async def test_a_bus_that_does_not_come_up_is_said_at_once(short_dir: Path) -> None:
    with pytest.raises(RouterError, match="/bin/false does not listen"):
        async with open_router(short_dir / "lab", Options(ubusd="/bin/false")):
            raise AssertionError


async def test_a_bus_daemon_that_is_not_there_is_said(short_dir: Path) -> None:
    with pytest.raises(RouterError, match="/nowhere/ubusd cannot be run: No such file"):
        async with open_router(short_dir / "lab", Options(ubusd="/nowhere/ubusd")):
            raise AssertionError


async def test_a_process_takes_its_group_along(tmp_path: Path) -> None:
    """The child ignores SIGTERM, so that only the end of the group reaches it; its pipe tells when it is gone."""
    read, write = os.pipe()
    script = f"(trap '' TERM; echo up > /dev/fd/{write}; exec sleep 1000) & wait"
    process = Process(["sh", "-c", script], tmp_path / "log", inherit=(write,))
    os.close(write)
    async with trio.lowlevel.FdStream(read) as pipe:
        with trio.fail_after(10):
            assert await pipe.receive_some() == b"up\n"
            await process.stop()
            assert not process.running
            assert await pipe.receive_some() == b""
