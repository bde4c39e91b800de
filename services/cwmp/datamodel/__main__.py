"""``python -m cwmp.datamodel``: the service alone."""

from __future__ import annotations

from cwmp.datamodel.service import serve
from cwmp.runtime import start

start("datamodel", serve)
