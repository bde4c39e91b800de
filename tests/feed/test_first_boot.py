"""The first boot: what easycwmp and icwmp had configured, who the device is, what its DHCP client asks for."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.feed.packages import FEED, Installed

from cwmp.runtime import config
from ubuskit.uci import Package, Uci

SCRIPT = FEED / "tr069-client/files/first_boot.py"
_spec = importlib.util.spec_from_file_location("first_boot", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
first_boot = importlib.util.module_from_spec(_spec)
sys.modules["first_boot"] = first_boot  # dataclasses look for it there
_spec.loader.exec_module(first_boot)
EXAMPLES = Path(__file__).parent / "migration"
NETWORK = """
config interface 'lan'
	option device 'br-lan'
	option proto 'static'

config interface 'wan'
	option device 'eth1'
	option proto 'dhcp'

config interface 'wan6'
	option device 'eth1'
	option proto 'dhcpv6'
	option reqopts '21 23'
"""
BOARD = {
    "model": {"id": "tp-link,archer-c7-v2", "name": "TP-Link Archer C7 v2"},
    "system": {"label_macaddr": "00:11:22:ab:cd:ef"},
}
SECRETS = ("acs-secret", "request-secret")


class Router:
    """A file system to boot in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("etc/config", "tmp"):
            (root / name).mkdir(parents=True)
        self.write("cwmp", (FEED / "tr069-client/files/cwmp.config").read_text())
        self.write("network", NETWORK)

    def write(self, package: str, text: str) -> None:
        (self.root / "etc/config" / package).write_text(text)

    def uci(self, package: str) -> Package:
        return Uci(self.root / "etc/config", self.root / "tmp/.uci").load(package)

    def options(self) -> dict[str, str | list[str]]:
        return next(s for s in self.uci("cwmp").sections.values() if s.type == "cwmp").options

    def text(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.root / "etc/config").iterdir()}

    def boot(self) -> str:
        """Run the script; what it says."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            assert first_boot.main(["--root", str(self.root)]) == 0
        assert not any(secret in output.getvalue() for secret in SECRETS)
        return output.getvalue()

    def report(self) -> dict[str, str]:
        """What became of each old option."""
        lines = (self.root / "etc/cwmp/migration").read_text().splitlines()
        return dict(line.split(": ", 1) for line in lines)


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path / "root")


def test_easycwmp(router: Router) -> None:
    shutil.copy(EXAMPLES / "easycwmp", router.root / "etc/config/easycwmp")
    before = (EXAMPLES / "easycwmp").read_text()
    router.boot()
    assert router.options() == {
        "enable": "1",
        "connection_request_port": "7547",
        "connection_request_username": "easycwmp",
        "connection_request_password": "request-secret",
        "log_level": "info",
        "acs_url": "http://acs.example.com:8080/openacs/acs",
        "username": "device",
        "password": "acs-secret",
        "periodic_inform_enable": "1",
        "periodic_inform_interval": "100",
        "periodic_inform_time": "0001-01-01T00:00:00Z",
        "manufacturer": "Example",
        "manufacturer_oui": "ABCDEF",
        "product_class": "Router",
        "serial_number": "0001",
        "hardware_version": "example_hw_version",
    }
    assert router.text()["easycwmp"] == before
    report = router.report()
    names = {s.name: "@local[0]" if s.anonymous else s.name for s in router.uci("easycwmp").sections.values()}
    old = {
        f"easycwmp.{names[s.name]}.{o}" for s in router.uci("easycwmp").sections.values() for o in s.options
    }
    assert set(report) == old
    assert report["easycwmp.acs.url"] == "now acs_url"
    without = {name.rpartition(".")[2] for name, text in report.items() if text.startswith("no counterpart")}
    assert without == {
        "ubus_socket", "date_format", "authentication", "software_version", "http100continue_disable",
        "ssl_verify",
    }  # fmt: skip
    assert (
        "option interface" in report["easycwmp.@local[0].interface"]
    )  # a device's name, which is no interface


def test_icwmp(router: Router) -> None:
    shutil.copy(EXAMPLES / "icwmp", router.root / "etc/config/cwmp")
    old = {f"cwmp.{s.name}.{o}" for s in router.uci("cwmp").sections.values() for o in s.options}
    before = {name: dict(router.uci("cwmp").sections[name].options) for name in ("acs", "cpe")}
    router.boot()
    assert router.options() == {
        "acs_url": "http://acs.example.com:7547/acs",
        "username": "iopsys",
        "password": "acs-secret",
        "periodic_inform_enable": "1",
        "periodic_inform_interval": "1800",
        "periodic_inform_time": "0001-01-01T00:00:00Z",
        "retry_minimum_wait_interval": "5",
        "retry_interval_multiplier": "2000",
        "http_compression": "Disabled",
        "enable": "1",
        "interface": "wan",
        "manufacturer": "Example",
        "manufacturer_oui": "0011AB",
        "product_class": "DG400PRIME",
        "serial_number": "X0001",
        "connection_request_username": "iopsys",
        "connection_request_password": "request-secret",
        "connection_request_port": "7547",
        "provisioning_code": "PC-1",
        "session_timeout": "60",
        "log_level": "info",
        "model_name": "Example 400",
        "description": "a gateway",
    }
    assert {name: dict(router.uci("cwmp").sections[name].options) for name in ("acs", "cpe")} == before
    report = router.report()
    assert set(report) == old
    without = {name.rpartition(".")[2] for name, text in report.items() if text.startswith("no counterpart")}
    assert without == {
        "dhcp_discovery", "ssl_capath", "insecure_enable", "ipv6_enable", "software_version",
        "http_disable_100continue", "amd_version", "instance_mode", "notification", "exec_download",
        "log_to_console", "log_to_file", "log_max_size", "delay_reboot",
    }  # fmt: skip
    assert report["cwmp.cpe.interface"].startswith("not taken over")


@pytest.mark.parametrize("name", ["easycwmp", "icwmp"])
def test_the_result_is_a_configuration_without_fault(router: Router, name: str) -> None:
    target = "cwmp" if name == "icwmp" else name
    shutil.copy(EXAMPLES / name, router.root / "etc/config" / target)
    router.boot()
    uci = Uci(router.root / "etc/config", router.root / "tmp/.uci")
    found, problems = config.load(uci, router.root / "etc/config")
    assert problems == []
    assert found.enable
    assert found.acs_url.startswith("http://acs.example.com:")


@pytest.mark.parametrize("name", ["easycwmp", "icwmp", ""])
def test_a_second_time_changes_nothing(router: Router, name: str) -> None:
    (router.root / "etc/board.json").write_text(json.dumps(BOARD))
    if name:
        shutil.copy(EXAMPLES / name, router.root / "etc/config" / ("cwmp" if name == "icwmp" else name))
    router.boot()
    before = router.text()
    router.boot()
    assert router.text() == before


def test_nothing_is_overwritten(router: Router) -> None:
    shutil.copy(EXAMPLES / "easycwmp", router.root / "etc/config/easycwmp")
    (router.root / "etc/board.json").write_text(json.dumps(BOARD))
    router.write("cwmp", "config cwmp 'cwmp'\n\toption acs_url 'https://mine/'\n\toption serial_number 'S'\n")
    router.boot()
    options = router.options()
    assert (options["acs_url"], options["serial_number"]) == ("https://mine/", "S")
    assert router.report()["easycwmp.acs.url"] == "not taken over: acs_url is set already"


@pytest.mark.parametrize(
    ("option", "value"),
    [("url", "javascript:alert(1)"), ("periodic_interval", "often"), ("periodic_interval", "0")],
)
def test_a_value_that_cannot_be_is_named_and_left(router: Router, option: str, value: str) -> None:
    router.write("easycwmp", f"config acs 'acs'\n\toption {option} '{value}'\n\toption username 'u'\n")
    router.boot()
    assert router.report()[f"easycwmp.acs.{option}"].startswith("not taken over")
    assert router.options()["username"] == "u"


def test_sections_and_options_nobody_knows_are_named(router: Router) -> None:
    router.write("easycwmp", "config odd 'odd'\n\toption x '1'\n\nconfig acs\n\toption colour 'red'\n")
    router.boot()
    report = router.report()
    assert report.pop("easycwmp.odd") == "a section without counterpart"
    assert list(report.values()) == ["no counterpart: this program has no such option"]


def test_identity_of_the_board(router: Router) -> None:
    (router.root / "etc/board.json").write_text(json.dumps(BOARD))
    router.boot()
    assert router.options() == {
        "manufacturer": "TP-Link",
        "product_class": "archer-c7-v2",
        "manufacturer_oui": "001122",
        "serial_number": "001122ABCDEF",
    }


def test_a_serial_number_of_the_device_tree_counts_more(router: Router) -> None:
    (router.root / "etc/board.json").write_text(json.dumps(BOARD))
    tree = router.root / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "serial-number").write_bytes(b"SN123\0")
    router.boot()
    assert router.options()["serial_number"] == "SN123"


def test_a_local_address_is_no_oui(router: Router) -> None:
    (router.root / "etc/board.json").write_text('{"system": {"label_macaddr": "02:11:22:33:44:55"}}')
    router.boot()
    assert router.options() == {"serial_number": "021122334455"}


@pytest.mark.parametrize("board", ["", "[]", '{"model": 1, "system": []}', '{"model": {"id": 7}}', "\0"])
def test_a_board_that_says_nothing(router: Router, board: str) -> None:
    (router.root / "etc/board.json").write_text(board)
    router.boot()
    assert router.options() == {}


def test_dhcp_is_asked_for_the_acs(router: Router) -> None:
    router.boot()
    network = router.uci("network").sections
    assert network["wan"].options["reqopts"] == "43"
    assert network["wan"].options["vendorid"] == "dslforum.org"
    assert network["wan6"].options["reqopts"] == "21 23 17"
    assert set(network["lan"].options) == {"device", "proto"}


def test_dhcp_is_left_alone_where_the_acs_is_known(router: Router) -> None:
    router.write("cwmp", "config cwmp 'cwmp'\n\toption acs_url 'https://acs.example.com/'\n")
    router.boot()
    assert router.text()["network"] == NETWORK


def test_a_vendor_id_stays(router: Router) -> None:
    router.write("network", NETWORK.replace("'dhcp'\n", "'dhcp'\n\toption vendorid 'mine'\n"))
    router.boot()
    assert router.uci("network").sections["wan"].options["vendorid"] == "mine"


DHCP = """
config dnsmasq
	option domain 'lan'
	list dhcp_option '6,192.0.2.1'

config dhcp 'lan'
	option interface 'lan'
"""


def test_devices_in_the_lan_are_told_who_their_gateway_is(router: Router) -> None:
    router.write("dhcp", DHCP)
    (router.root / "etc/board.json").write_text(json.dumps(BOARD))
    router.boot()
    dnsmasq = next(s for s in router.uci("dhcp").sections.values() if s.type == "dnsmasq")
    assert dnsmasq.options["dhcp_option"] == [
        "6,192.0.2.1",
        "cpewan-id,vi-encap:3561,4,001122",
        "cpewan-id,vi-encap:3561,5,001122ABCDEF",
        "cpewan-id,vi-encap:3561,6,archer-c7-v2",
    ]
    before = router.text()
    router.boot()
    assert router.text() == before


@pytest.mark.parametrize("dhcp", [DHCP, "config dnsmasq 'x", ""])
def test_without_an_identity_there_is_nothing_to_tell(router: Router, dhcp: str) -> None:
    router.write("dhcp", dhcp)
    router.boot()
    assert router.text()["dhcp"] == dhcp
    assert router.uci("network").sections["wan"].options["reqopts"] == "43"


@pytest.mark.parametrize("text", ["config cwmp 'cw", "\0\0", "config"])
def test_a_damaged_file_is_left_alone(router: Router, text: str) -> None:
    router.write("cwmp", text)
    done = subprocess.run(
        [sys.executable, SCRIPT, "--root", router.root],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode in {0, 1}
    assert "Traceback" not in done.stderr
    assert router.text()["cwmp"] == text


def test_without_any_file(tmp_path: Path) -> None:
    router = Router(tmp_path / "root")
    for path in (router.root / "etc/config").iterdir():
        path.unlink()
    assert router.boot() == ""


def test_as_it_is_installed(router: Router, installed: Installed) -> None:
    shutil.copy(EXAMPLES / "easycwmp", router.root / "etc/config/easycwmp")
    script = installed.root / "usr/share/cwmp/first_boot.pyc"
    done = subprocess.run(
        [installed.python, script, "--root", router.root],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "migration: easycwmp.acs.url: now acs_url\n" in done.stdout
    assert router.options()["acs_url"] == "http://acs.example.com:8080/openacs/acs"
