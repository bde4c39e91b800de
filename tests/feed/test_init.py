"""The init script, run under a stand-in for rc.common: the service it describes to procd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.feed.packages import FEED, OPENWRT

INIT = FEED / "tr069-client/files/cwmpd.init"
FIREWALL = """
config zone
	option name 'lan'
	list network 'lan'

config zone
	option name 'outside'
	list network 'wan'
	list network 'wan6'
"""


@dataclass(slots=True)
class Instance:
    params: dict[str, list[str]] = field(default_factory=dict)
    data: list[list[str]] = field(default_factory=list)

    @property
    def rules(self) -> list[dict[str, str]]:
        """The firewall rules in its data."""
        found: list[dict[str, str]] = []
        for line in self.data:
            if line[0] == "object":
                found.append({})
            elif line[0] == "string":
                found[-1][line[1]] = line[2]
        return found


@dataclass(slots=True)
class Service:
    """What procd was told."""

    instances: dict[str, Instance] = field(default_factory=dict)
    triggers: list[list[str]] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    started_after: int = 0
    """How many calls came before the first instance."""


CONFIG = """config cwmp 'cwmp'
	option connection_request_username 'acs'
	option connection_request_password 'secret'
"""
Run = Callable[..., Service]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run(config, action)``: the service described with this /etc/config/cwmp."""
    (tmp_path / "firewall").write_text(FIREWALL)

    def run(config: str | None, action: str = "start", shell: str = "sh") -> Service:
        if config is not None:
            (tmp_path / "cwmp").write_text(config)
        done = subprocess.run(
            [*shell.split(), str(OPENWRT / "shell/rc.common"), str(INIT), action],
            env={"PATH": os.environ["PATH"], "UCI_DIR": str(tmp_path), "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return parse(done.stdout)

    return run


def parse(output: str) -> Service:
    service = Service()
    instance = Instance()
    for line in output.splitlines():
        kind, *rest = line.split("\037")[:-1]
        if kind == "open":
            if not service.instances:
                service.started_after = len(service.calls)
            instance = service.instances[rest[0]] = Instance()
        elif kind == "param":
            instance.params[rest[0]] = rest[1:]
        elif kind == "data":
            instance.data.append(rest)
        elif kind == "trigger":
            service.triggers.append(rest)
        elif kind == "call":
            service.calls.append(rest)
    return service


def test_one_master_is_kept_running(run: Run) -> None:
    service = run((FEED / "tr069-client/files/cwmp.config").read_text())
    assert list(service.instances) == ["master"]
    params = service.instances["master"].params
    assert params["command"] == ["/usr/sbin/cwmpd"]
    assert params["respawn"] == ["3600", "5", "5"]
    assert "user" not in params  # it needs root to give each child its own
    assert service.triggers == [["config", "cwmp", "firewall"], ["interface", "wan"]]


def test_what_busybox_makes_of_it(run: Run) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("no busybox on this machine")
    assert list(run("config cwmp 'cwmp'\n", shell="busybox sh").instances) == ["master"]


@pytest.mark.parametrize("config", [None, "", "config cwmp 'cw", "config other 'x'\n\toption enable '0'\n"])
def test_a_missing_or_half_written_file_starts_it_all_the_same(run: Run, config: str | None) -> None:
    assert list(run(config).instances) == ["master"]


def test_disabled_nothing_runs_and_no_port_is_open(run: Run) -> None:
    service = run("config cwmp 'cwmp'\n\toption enable '0'\n")
    assert service.instances == {}
    assert ["config", "cwmp", "firewall"] in service.triggers  # so that it starts once it is enabled


def test_the_port_is_let_in_from_the_interfaces_zone(run: Run) -> None:
    instance = run(f"{CONFIG}\toption connection_request_port '8547'\n").instances["master"]
    http, udp = instance.rules
    assert http == {
        "type": "rule",
        "name": "Allow-CWMP-connection-request",
        "src": "outside",
        "proto": "tcp",
        "dest_port": "8547",
        "target": "ACCEPT",
    }
    assert udp == {
        **http,
        "name": "Allow-CWMP-connection-request-UDP",
        "proto": "udp",
        "dest_port": "7547",
    }
    opened = sum(line[0] in {"array", "object"} for line in instance.data)
    assert opened == sum(line[0] == "end" for line in instance.data)


@pytest.mark.parametrize(
    ("options", "protocols"),
    [
        (("connection_request_enable '0'",), ["udp"]),
        (("connection_request_port '0'",), ["udp"]),
        (("udp_connection_request_port '0'",), ["tcp"]),
        (("connection_request_enable '0'", "udp_connection_request_port '0'"), []),
        (("interface 'nowhere'",), []),
    ],
)
def test_no_rule_without_a_listener_or_a_zone(
    run: Run, options: tuple[str, ...], protocols: list[str]
) -> None:
    text = "".join(f"\toption {option}\n" for option in options)
    instance = run(f"{CONFIG}{text}").instances["master"]
    assert [rule["proto"] for rule in instance.rules] == protocols
    assert bool(instance.data) is bool(protocols)


def test_by_udp_only_for_somebody_who_could_be_let_in_or_for_stun(run: Run) -> None:
    nobody = "config cwmp 'cwmp'\n\toption connection_request_username 'acs'\n"
    for more, protocols in (("", ["tcp"]), ("\toption stun_enable '1'\n", ["tcp", "udp"])):
        instance = run(nobody + more).instances["master"]
        assert [rule["proto"] for rule in instance.rules] == protocols


def test_an_impossible_port_is_the_default(run: Run) -> None:
    config = (
        f"{CONFIG}\toption connection_request_port '80; reboot'\n\toption udp_connection_request_port '-1'\n"
    )
    instance = run(config).instances["master"]
    assert [rule["dest_port"] for rule in instance.rules] == ["7547", "7547"]
    assert instance.params["command"] == ["/usr/sbin/cwmpd"]


def test_a_low_port_is_asked_for(run: Run) -> None:
    config = "config cwmp 'cwmp'\n\toption connection_request_port '80'\n"
    assert run(config).instances["master"].params["command"] == ["/usr/sbin/cwmpd", "--low-ports"]


def test_reload_updates_the_service_and_tells_what_runs(run: Run) -> None:
    service = run("config cwmp 'cwmp'\n\toption interface 'wwan'\n", "reload")
    assert list(service.instances) == ["master"]
    assert service.calls == [["signal", "cwmpd", "*", "HUP"]]
    assert service.started_after == 1  # what is started only then is not hit by the signal
    assert ["interface", "wwan"] in service.triggers


def test_reload_of_what_is_disabled_signals_nobody(run: Run) -> None:
    assert run("config cwmp 'cwmp'\n\toption enable '0'\n", "reload").calls == []


@pytest.mark.parametrize("jailed", [False, True])
def test_each_service_by_itself(tmp_path: Path, jailed: bool) -> None:
    """Its files are prepared first, which only a script on a router may do: here the paths are others."""
    root = tmp_path / "root"
    script = INIT.read_text()
    if jailed:
        script = script.replace("/sbin/ujail", "/bin/sh").replace("/lib/libpreload-seccomp.so", "/bin/sh")
    script = script.replace("STATE=/etc/cwmp", f"STATE={root}/etc/cwmp")
    script = script.replace("RUN=/var/run/cwmp", f"RUN={root}/var/run/cwmp")
    script = script.replace("/tmp/.uci", f"{root}/tmp/.uci").replace("/etc/config/cwmp", f"{root}/cwmp")
    script = script.replace("USER=cwmp", f"USER={os.getuid()}").replace("$USER:$USER", f"$USER:{os.getgid()}")
    script = script.replace("root:$USER", f"{os.getuid()}:{os.getgid()}")
    (tmp_path / "init").write_text(script)
    (tmp_path / "firewall").write_text(FIREWALL)
    (tmp_path / "cwmp").write_text("config cwmp 'cwmp'\n\nconfig cwmpd 'cwmpd'\n\toption separate '1'\n")
    root.mkdir()
    (root / "cwmp").write_text("")
    (root / "cwmp").chmod(0o600)
    done = subprocess.run(
        ["sh", str(OPENWRT / "shell/rc.common"), str(tmp_path / "init"), "start"],
        env={"PATH": os.environ["PATH"], "UCI_DIR": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == ""
    service = parse(done.stdout)
    assert set(service.instances) == {"session", "datamodel", "firmware", "diagnostics"}
    for name, instance in service.instances.items():
        assert instance.params["command"][:3] == ["/usr/bin/python3", "-m", f"cwmp.{name}"]
    users = {name: instance.params.get("user") for name, instance in service.instances.items()}
    assert users["datamodel"] is users["firmware"] is None
    assert users["session"] == users["diagnostics"] == [str(os.getuid())]
    assert service.instances["diagnostics"].params["group"] == ["nogroup"]
    assert service.instances["session"].params["no_new_privs"] == ["1"]
    for name in ("session", "diagnostics"):
        params = service.instances[name].params
        assert params.get("capabilities") == ([f"/etc/capabilities/cwmp-{name}.json"] if jailed else None)
        assert params.get("seccomp") == (["/etc/seccomp/cwmp.json"] if jailed else None)
        assert ("jail" in params) == jailed
    assert [rule["dest_port"] for rule in service.instances["session"].rules] == ["7547"]
    assert (root / "cwmp").stat().st_mode & 0o777 == 0o640
    assert (root / "etc/cwmp/session").stat().st_mode & 0o777 == 0o700
