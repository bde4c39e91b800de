"""What is wanted of a fleet. Plain data, so that a worker can be told its share of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

MAX_ROUTERS = 10_000


@dataclass(frozen=True, slots=True)
class Identity:
    """What the ACS tells one router from another by."""

    serial: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds. `reboots`, `losses` and `crashes`: the mean time between two of them for one router; 0 for
    never. `rate`: routers that are switched on each second. `first_port`: router n listens for connection requests
    at this port + n; 0: at any free one, another each time
    it opens. `password` may contain ``{serial}``. `further` are options of
    ``/etc/config/cwmp`` for all routers; they win. `boot_takes` is the time of a reboot by the ACS.
    """

    acs_url: str
    numbers: tuple[int, ...]
    directory: str
    password: str = field(default="", repr=False)
    interval: int = 60
    rate: float = 20.0
    address: str = "127.0.0.1"
    first_port: int = 0
    oui: str = "02005E"
    product_class: str = "Fleet"
    serial_prefix: str = "FLEET-"
    ca_file: str = ""
    reboots: float = 0.0
    losses: float = 0.0
    crashes: float = 0.0
    boot_takes: float = 5.0
    further: Mapping[str, str] = field(default_factory=dict, repr=False)

    def shares(self, workers: int) -> list[Plan]:
        """One plan for each worker: every router is in one, neighbours in different ones."""
        return [
            replace(self, numbers=self.numbers[n::workers], rate=self.rate / workers)
            for n in range(min(workers, len(self.numbers)))
        ]

    def identity(self, number: int) -> Identity:
        """Of one router: the user name is ``OUI-ProductClass-SerialNumber``, each part percent-encoded."""
        serial = f"{self.serial_prefix}{number:06}"
        username = "-".join(map(_encoded, (self.oui, self.product_class, serial)))
        return Identity(serial, username, self.password.replace("{serial}", serial))

    def options(self, number: int) -> dict[str, str]:
        """The options of ``/etc/config/cwmp`` of one router, but for what it chooses itself."""
        identity = self.identity(number)
        return {
            "acs_url": self.acs_url,
            "username": identity.username,
            "password": identity.password,
            "ca_file": self.ca_file,
            "manufacturer": "Fleet",
            "manufacturer_oui": self.oui,
            "product_class": self.product_class,
            "serial_number": identity.serial,
            "periodic_inform_enable": "1",
            "periodic_inform_interval": str(self.interval),
            "connection_request_address": self.address,
            "connection_request_port": str(self.first_port + number if self.first_port else 0),
            "udp_connection_request_port": "0",
            "log_level": "error",
            **self.further,
        }

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """What `to_json` made. Raises ValueError or TypeError for anything else."""
        table = json.loads(text)
        return cls(**{**table, "numbers": tuple(table["numbers"])})


def _encoded(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"%{ord(c):02X}" for c in text)
