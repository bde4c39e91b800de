"""What every service needs: the others (`Peers`), configuration, state files, logging, start-up."""

from __future__ import annotations

from cwmp.runtime.config import Config
from cwmp.runtime.logs import without_credentials
from cwmp.runtime.paths import Paths
from cwmp.runtime.peers import Peers, StreamLost
from cwmp.runtime.service import Runtime, run, start
from cwmp.runtime.state import StateFile, write_durably

__all__ = [
    "Config",
    "Paths",
    "Peers",
    "Runtime",
    "StateFile",
    "StreamLost",
    "run",
    "start",
    "without_credentials",
    "write_durably",
]
