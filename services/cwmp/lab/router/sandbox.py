"""The virtual router's file system: a directory with what the suite reads of a real one.

Two halves, as on a router. The flash half (``/etc``, ``/usr``) is written once and survives boots; the RAM
half (``/tmp``, ``/proc``, ``/sys``) is made anew at each boot. Both begin as copies of the folders `flash` and
`ram` beside this file; what depends on the boot or the version is generated here. ``/var`` is ``/tmp``, as
OpenWrt has it.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cwmp.lab.router import packages
from cwmp.lab.router.image import Version
from cwmp.runtime import Paths

FACTORY = Version("24.10.0", "r28427-6df0e3d02a")

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Device:
    """A network device: its type as netifd names it, its MAC, carrier, speed in Mbit/s (0: none), counters."""

    name: str
    type: str
    mac: str
    carrier: bool = True
    speed: int = 0
    mtu: int = 1500
    received: int = 0
    sent: int = 0


DEVICES = (
    Device("lo", "loopback", "00:00:00:00:00:00", mtu=65536, received=81_312, sent=81_312),
    Device(
        "eth0", "ethernet", "02:00:5e:00:53:01", speed=1000, mtu=1504, received=91_204_113, sent=20_991_250
    ),
    Device("br-lan", "bridge", "02:00:5e:00:53:01", received=18_301_998, sent=88_120_554),
    Device("lan1", "dsa", "02:00:5e:00:53:01", speed=1000, received=18_002_400, sent=87_921_441),
    Device("lan2", "dsa", "02:00:5e:00:53:01", carrier=False),
    Device("lan3", "dsa", "02:00:5e:00:53:01", carrier=False),
    Device("lan4", "dsa", "02:00:5e:00:53:01", carrier=False),
    Device("wan", "dsa", "02:00:5e:00:53:02", speed=1000, received=90_100_333, sent=20_120_021),
    Device("phy0-ap0", "wlan", "02:00:5e:00:53:03", received=299_598, sent=199_113),
)

_CONDUIT = "eth0"
"""The device behind the switch, whose ports are the others."""
_IN_BRIDGE = {"lan1": 3, "lan2": 0, "lan3": 0, "lan4": 0, "phy0-ap0": 3}
"""Ports of br-lan, and their states: 3 forwards, 0 is disabled."""

_BRIDGE = "br-lan"
_BEHIND = {"02:00:5e:00:53:20": "lan1", "02:00:5e:00:53:21": "phy0-ap0"}

# expiry (s from boot), MAC, address, name, client id: the lines dnsmasq keeps
_LEASES = (
    (43_200, "02:00:5e:00:53:20", "192.168.1.120", "laptop", "01:02:00:5e:00:53:20"),
    (21_600, "02:00:5e:00:53:21", "192.168.1.121", "*", "*"),
)


def paths_of(directory: Path) -> Paths:
    """Where the router in `directory` has everything. The socket stands apart, since its path must be short."""
    root = (directory / "root").absolute()
    return Paths(
        bus=(directory / "ubus.sock").absolute(),
        uci_dir=root / "etc/config",
        state_dir=root / "etc/cwmp",
        run_dir=root / "tmp/run/cwmp",
        sysroot=root,
    )


def install(paths: Paths, cwmp: Mapping[str, str]) -> None:
    """Write the flash half as it leaves the factory. What is already there is kept.

    `cwmp` are the options of ``/etc/config/cwmp``.
    """
    root = paths.sysroot
    if (root / "etc/openwrt_release").exists():
        return
    _configure(paths, cwmp)
    flash(paths, FACTORY)
    (root / "var").symlink_to("tmp")
    (root / "tmp").mkdir(exist_ok=True)
    packages.install_program(root, "opkg")


def reset(paths: Paths, cwmp: Mapping[str, str], settings: bytes | None = None) -> None:
    """Put the configuration and the state back to what the factory made of them; the firmware stays. `settings` is
    an archive that is unpacked afterwards."""
    for directory in (paths.uci_dir, paths.state_dir):
        shutil.rmtree(directory, ignore_errors=True)
    _configure(paths, cwmp)
    if settings is not None:
        with tarfile.open(fileobj=io.BytesIO(settings), mode="r:gz") as archive:
            archive.extraction_filter = getattr(tarfile, "tar_filter", None)  # since Python 3.11.4
            archive.extractall(paths.sysroot)


def _configure(paths: Paths, cwmp: Mapping[str, str]) -> None:
    shutil.copytree(_HERE / "flash", paths.sysroot, dirs_exist_ok=True)
    lines = "".join(f"\toption {name} '{_quoted(value)}'\n" for name, value in cwmp.items())
    _write(paths.uci_dir / "cwmp", f"\nconfig cwmp 'cwmp'\n{lines}")
    paths.state_dir.mkdir(parents=True)


def flash(paths: Paths, version: Version) -> None:
    """Write what tells one firmware from another; configuration and state stay, as sysupgrade keeps them."""
    release = {
        "DISTRIB_ID": "OpenWrt",
        "DISTRIB_RELEASE": version.version,
        "DISTRIB_REVISION": version.revision,
        "DISTRIB_TARGET": "lab/generic",
        "DISTRIB_ARCH": "aarch64_cortex-a53",
        "DISTRIB_DESCRIPTION": version.description,
        "DISTRIB_TAINTS": "",
    }
    _write(paths.system("/etc/openwrt_release"), "".join(f"{k}='{v}'\n" for k, v in release.items()))
    _write(paths.system("/etc/openwrt_version"), f"{version.revision}\n")
    os_release = {
        "NAME": "OpenWrt",
        "VERSION": version.version,
        "ID": "openwrt",
        "PRETTY_NAME": f"OpenWrt {version.version}",
        "BUILD_ID": version.revision,
        "OPENWRT_BOARD": "lab/generic",
        "OPENWRT_ARCH": "aarch64_cortex-a53",
        "OPENWRT_DEVICE_MANUFACTURER": "OpenWrt",
        "OPENWRT_DEVICE_PRODUCT": "Generic",
        "OPENWRT_DEVICE_REVISION": "v0",
        "OPENWRT_RELEASE": version.description,
        "OPENWRT_BUILD_DATE": "1738624177",
    }
    text = "".join(f'{k}="{v}"\n' for k, v in os_release.items())
    _write(paths.system("/usr/lib/os-release"), text)
    _write(paths.system("/etc/os-release"), text)


def boot(paths: Paths) -> None:
    """Make the RAM half anew: what lay in /tmp and /var/run is gone, the boot has an id of its own."""
    for name in ("tmp", "proc", "sys"):
        shutil.rmtree(paths.sysroot / name, ignore_errors=True)
    shutil.copytree(_HERE / "ram", paths.sysroot, dirs_exist_ok=True)
    for path in (paths.run_dir, paths.uci_save_dir, paths.system("/tmp/lock")):
        path.mkdir(parents=True, exist_ok=True)
    _write(paths.system("/proc/sys/kernel/random/boot_id"), f"{uuid.uuid4()}\n")
    _write(paths.system("/proc/sys/kernel/osrelease"), "6.6.73\n")
    now = int(time.time())
    _write(
        paths.system("/tmp/dhcp.leases"),
        "".join(f"{now + expiry} {' '.join(rest)}\n" for expiry, *rest in _LEASES),
    )
    for device in DEVICES:
        _write_device(paths.system(f"/sys/class/net/{device.name}"), device)
    _write(paths.system(f"/sys/class/net/{_CONDUIT}/dsa/tagging"), "mtk\n")
    for name, state in _IN_BRIDGE.items():
        _write(paths.system(f"/sys/class/net/{name}/brport/state"), f"{state}\n")
    _write_bridge(paths)
    write_uptime(paths, 0.0)


def _write_bridge(paths: Paths) -> None:
    """Numbers of the ports, and behind which of them who is (struct __fdb_entry of linux/if_bridge.h)."""
    for number, name in enumerate(_IN_BRIDGE, 1):
        _write(paths.system(f"/sys/class/net/{name}/brport/port_no"), f"0x{number:x}\n")
        _write(paths.system(f"/sys/class/net/{_BRIDGE}/brif/{name}"), "")
    table = b""
    for mac, port in _BEHIND.items():
        address = bytes.fromhex(mac.replace(":", ""))
        table += address + bytes([list(_IN_BRIDGE).index(port) + 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    paths.system(f"/sys/class/net/{_BRIDGE}/brforward").write_bytes(table)


def write_uptime(paths: Paths, seconds: float) -> None:
    """Set /proc/uptime, as a whole: whoever reads it sees the old or the new one."""
    path = paths.system("/proc/uptime")
    temporary = path.with_name(".uptime")
    _write(temporary, f"{seconds:.2f} {seconds * 1.9:.2f}\n")
    os.replace(temporary, path)


def _write_device(directory: Path, device: Device) -> None:
    values = {
        "address": device.mac,
        "mtu": device.mtu,
        "operstate": "unknown" if device.name == "lo" else "up" if device.carrier else "lowerlayerdown",
        "carrier": int(device.carrier),
        "flags": "0x1003" if device.name != "lo" else "0x9",
        "type": 772 if device.name == "lo" else 1,
        "uevent": _uevent(device),
        "carrier_changes": 1 if device.carrier else 0,
        "duplex": "full" if device.speed and device.carrier else "unknown",
        "speed": device.speed if device.carrier and device.speed else -1,
        **{f"statistics/{name}": value for name, value in statistics(device).items()},
    }
    for name, value in values.items():
        _write(directory / name, f"{value}\n")


def _uevent(device: Device) -> str:
    """The kernel says the type of a device unless it is a plain one."""
    kind = "" if device.type in {"ethernet", "loopback"} else f"DEVTYPE={device.type}\n"
    return f"{kind}INTERFACE={device.name}"


def statistics(device: Device) -> dict[str, int]:
    """The counters below /sys/class/net/<device>/statistics."""
    counters = dict.fromkeys(
        (
            "collisions", "multicast", "rx_bytes", "rx_compressed", "rx_crc_errors", "rx_dropped", "rx_errors",
            "rx_fifo_errors", "rx_frame_errors", "rx_length_errors", "rx_missed_errors", "rx_over_errors",
            "rx_packets", "tx_aborted_errors", "tx_bytes", "tx_carrier_errors", "tx_compressed", "tx_dropped",
            "tx_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_packets", "tx_window_errors",
        ),
        0,
    )  # fmt: skip
    counters |= {"rx_bytes": device.received, "tx_bytes": device.sent}
    counters |= {"rx_packets": device.received // 700, "tx_packets": device.sent // 700}
    return counters


def _quoted(value: str) -> str:
    return value.replace("'", "'\\''")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
