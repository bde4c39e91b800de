"""``python -m cwmp.session``: this service alone."""

from __future__ import annotations

from cwmp.runtime import start
from cwmp.session.service import serve

start("session", serve)
