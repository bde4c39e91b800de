"""Diagnostics against the programs people measure with, on the same lines in the same run.

IPPing over a veth that delays by 20 ms against ``ping``; TraceRoute over four namespaces against ``traceroute``; the
UDPEcho server against one in C, asked by the same client; DownloadDiagnostics on loopback against ``curl``. What
cannot be had (namespaces, netem, a program, a compiler) is named and left out.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import trio

from cwmp.diagnostics.definition import Definition, Means, Outcome
from cwmp.diagnostics.download import DOWNLOAD
from cwmp.diagnostics.echoserver import EchoServer
from cwmp.diagnostics.ipping import IP_PING
from cwmp.diagnostics.traceroute import TRACE_ROUTE

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build" / "bench"
PINGS = 40
DELAY = 0.02
SIZE = 256 << 20
ROUNDS = 5
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000


class MissingError(Exception):
    """It cannot be measured here; the text says why."""


def run(report: Callable[..., None]) -> None:
    for measure in (_ping, _traceroute, _echo, _download):
        try:
            measure(report)
        except MissingError as missing:
            print(f"diagnostics{measure.__name__}: {missing}")


def _ping(report: Callable[..., None]) -> None:
    program = _program("ping")
    with _namespaces(1), _delayed() as host:
        command = [program, "-n", "-q", "-c", str(PINGS), "-i", "0.1", host]
        other = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True
        )  # at the same time: the same load
        found = _outcome(IP_PING, Host=host, NumberOfRepetitions=str(PINGS))
        said = other.communicate()[0]
    if found.state != "Complete" or found.results["SuccessCount"] != str(PINGS):
        raise MissingError(f"the test ended with {found.state}: {found.why}")
    ours = int(str(found.results["AverageResponseTimeDetailed"])) / 1000
    theirs = float(re.findall(r"= [\d.]+/([\d.]+)/", said)[0])
    report("IPPing over 20 ms, from ping's average", abs(ours - theirs), "ms", theirs, abs(ours - theirs), 1)


def _traceroute(report: Callable[..., None]) -> None:
    program = _program("traceroute")
    with _namespaces(4):
        found = _outcome(TRACE_ROUTE, Host="198.18.4.2", NumberOfTries="1", Timeout="2000")
        said = _run(program, "-n", "-q", "1", "-w", "2", "198.18.4.2")
    hops = found.results.get("RouteHops", ())
    ours = [hop["HostAddress"] or hop["Host"] for hop in hops if not isinstance(hop, str)]
    theirs = re.findall(r"^ *\d+ +([\d.]+)", said, re.MULTILINE)
    different = sum(a != b for a, b in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))
    report(
        "TraceRoute over 4 routers, hops unlike traceroute's", different, "hops", len(theirs), different, 0
    )


def _echo(report: Callable[..., None]) -> None:
    program = _compiled("udp_echo")
    ports: dict[str, int] = {}
    processes = []
    try:
        for name, command in (("C", [program, "serve"]), ("ours", [sys.executable, __file__, "serve"])):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            processes.append(process)
            assert process.stdout is not None
            ports[name] = int(process.stdout.readline())
        best = dict.fromkeys(ports, 0.0)
        for _ in range(ROUNDS):
            for name, port in ports.items():
                best[name] = max(best[name], float(_run(program, "load", str(port), "1")))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    report(
        "UDPEcho server / C, answers a second", best["ours"], "1/s", best["C"], best["C"] / best["ours"], 2
    )


def _download(report: Callable[..., None]) -> None:
    program = _program("curl")
    port, pid = _file_server()
    ours = theirs = 0.0
    try:
        url = f"http://127.0.0.1:{port}/file"
        for _ in range(ROUNDS):
            said = _run(program, "--silent", "--output", "/dev/null", "--write-out", "%{speed_download}", url)
            theirs = max(theirs, float(said))
            found = _outcome(DOWNLOAD, DownloadURL=url)
            if found.state != "Complete":
                raise MissingError(f"the test ended with {found.state}: {found.why}")
            ours = max(ours, SIZE / _seconds(found.results))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    report("DownloadDiagnostics / curl", ours / 1e6, "MB/s", theirs / 1e6, theirs / ours, 1 / 0.6)


def _seconds(results: Mapping[str, object]) -> float:
    """From the first byte to the last."""
    times = [re.sub(r"\D", "", str(results[name])[11:]) for name in ("BOMTime", "EOMTime")]
    begin, end = (int(t[:2]) * 3600 + int(t[2:4]) * 60 + int(t[4:6]) + int(t[6:]) / 1e6 for t in times)
    return (end - begin) % 86400


def _outcome(test: Definition, **inputs: str) -> Outcome:
    async def device(_row: str) -> str:
        return ""

    async def made() -> Outcome:
        return await test.run({**test.defaults(), **inputs}, Means(device, logging.getLogger("bench")))

    return trio.run(made)


def _file_server() -> tuple[int, int]:
    """A server that has one file, in a process of its own: its port and process id."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    pid = os.fork()
    if pid:
        listener.close()
        return port, pid
    body = bytes(1 << 20)
    while True:
        with listener.accept()[0] as connection:
            connection.recv(4096)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
                for _ in range(SIZE // len(body)):
                    connection.sendall(body)
            except OSError:
                continue


@contextmanager
def _delayed() -> Iterator[str]:
    """A host 20 ms away: behind netem, or, where the kernel has none, behind a tunnel whose end takes its time."""
    try:
        _run("tc", "qdisc", "add", "dev", "to1", "root", "netem", "delay", f"{DELAY * 1000:g}ms")
    except MissingError:
        with _tunnel() as host:
            yield host
    else:
        yield "198.18.1.2"


@contextmanager
def _tunnel() -> Iterator[str]:
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"slow", _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        raise MissingError(f"neither netem nor a tunnel: {error.strerror}") from None
    _run("ip", "addr", "add", "198.19.0.1/24", "dev", "slow")
    _run("ip", "link", "set", "slow", "up")
    pid = os.fork()
    if not pid:
        _answer_late(descriptor)
    os.close(descriptor)
    try:
        yield "198.19.0.2"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _answer_late(tunnel: int) -> NoReturn:
    """Answer each echo request after `DELAY` s."""
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        left = waiting[0][0] - time.monotonic() if waiting else None
        if select.select([tunnel], [], [], None if left is None else max(0.0, left - 0.0005))[0]:
            packet = bytearray(os.read(tunnel, 65536))
            if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_ICMP and packet[20] == 8:
                packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
                packet[20] = 0
                check = int.from_bytes(packet[22:24], "big") + 0x0800
                packet[22:24] = ((check & 0xFFFF) + (check >> 16)).to_bytes(2, "big")
                waiting.append((time.monotonic() + DELAY, bytes(packet)))
        elif waiting:
            due, packet_due = waiting.popleft()
            while time.monotonic() < due:
                pass
            os.write(tunnel, packet_due)


@contextmanager
def _namespaces(count: int) -> Iterator[None]:
    """Be in a network namespace from which a chain of `count` others leads: 198.18.n.1 is the near end of the n-th
    line, 198.18.n.2 the far one."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    names = ["", *(f"bench-{os.getpid()}-{n}" for n in range(1, count + 1))]
    made: list[str] = []
    if libc.unshare(_CLONE_NEWNET):
        os.close(home)
        raise MissingError(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
    try:
        _run("ip", "link", "set", "lo", "up")
        for name in names[1:]:
            _run("ip", "netns", "add", name)
            made.append(name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
            for switch in ("ip_forward=1", "icmp_ratelimit=0"):
                path, value = switch.split("=")
                _run("ip", "netns", "exec", name, "sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{path}")
        for n in range(1, count + 1):
            near = ["-n", names[n - 1]] if n > 1 else []
            _run(
                "ip",
                *near,
                "link",
                "add",
                f"to{n}",
                "type",
                "veth",
                "peer",
                "name",
                f"from{n}",
                "netns",
                names[n],
            )
            for where, device, last in ((near, f"to{n}", 1), (["-n", names[n]], f"from{n}", 2)):
                _run("ip", *where, "addr", "add", f"198.18.{n}.{last}/24", "dev", device)
                _run("ip", *where, "link", "set", device, "up")
        for n, name in enumerate(names):
            here = ["-n", name] if name else []
            for forward in range(n + 2, count + 1):
                _run("ip", *here, "route", "add", f"198.18.{forward}.0/24", "via", f"198.18.{n + 1}.2")
            for back in range(1, n):
                _run("ip", *here, "route", "add", f"198.18.{back}.0/24", "via", f"198.18.{n}.1")
        yield
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        libc.setns(home, _CLONE_NEWNET)
        os.close(home)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"there is no {name}")
    return found


def _compiled(name: str) -> str:
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / name
    _run(_program("cc"), "-O2", "-o", str(program), str(HERE / f"{name}.c"))
    return str(program)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MissingError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise MissingError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


async def _serve() -> None:
    """The server, as a process of its own; says its port."""

    async def device(_row: str) -> str:
        return ""

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    server = EchoServer(None, means=Means(device, logging.getLogger("bench")), save=lambda _: None)
    server.write({"Enable": "true", "UDPPort": str(port)})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        while f":{port:04X} " not in Path("/proc/net/udp").read_text():  # noqa: ASYNC110
            await trio.sleep(0.01)
        print(port, flush=True)


if __name__ == "__main__":
    trio.run(_serve)
