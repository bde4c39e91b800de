"""``python -m cwmp.diagnostics``: the diagnostics service alone."""

from cwmp.diagnostics.service import serve
from cwmp.runtime import start

start("diagnostics", serve)
