"""``python -m cwmp.firmware``: the firmware service alone."""

from cwmp.firmware.service import serve
from cwmp.runtime import start

start("firmware", serve)
