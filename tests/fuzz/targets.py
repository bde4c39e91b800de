"""Everything that reads bytes from outside, as targets of `engine`: what is refused in its own way passes.

A target also says what must hold of what it takes: two ways to read the same agree, what is written can be read,
no secret comes out, whoever else is connected is still served.
"""

from __future__ import annotations

from tests.fuzz.bus import BUS
from tests.fuzz.engine import Target
from tests.fuzz.files import FILES
from tests.fuzz.hosts import HOSTS
from tests.fuzz.model import MODEL
from tests.fuzz.network import NETWORK

TARGETS: tuple[Target, ...] = (*NETWORK, *HOSTS, *MODEL, *BUS, *FILES)
