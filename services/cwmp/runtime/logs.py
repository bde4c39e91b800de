"""Logging: syslog with ident ``cwmp`` (so that ``logread | grep cwmp`` shows it), or stderr when asked.

One line a step. Levels are set at run time; messages never carry secrets: `without_credentials` is for URLs.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def set_up(service: str, *, stderr: bool, device: Path) -> logging.Logger:
    """The logger of `service`, writing to the syslog socket `device` or, when asked or without one, to stderr."""
    handler = _handler(service, stderr, device)
    for name in (f"cwmp.{service}", "ubuskit"):  # what the bindings have to say belongs to who uses them
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.INFO)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
    return logging.getLogger(f"cwmp.{service}")


class _Syslog(logging.handlers.SysLogHandler):
    """Syslog; while its daemon is away (it may be restarted) lines go to stderr rather than nowhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        sys.stderr.write(f"{self.ident}{self.format(record)}\n")


def _handler(service: str, stderr: bool, device: Path) -> logging.Handler:
    if not stderr and device.is_socket():
        syslog = _Syslog(str(device), facility=logging.handlers.SysLogHandler.LOG_DAEMON)
        syslog.ident = "cwmp: "
        syslog.append_nul = False
        syslog.setFormatter(logging.Formatter(f"{service}: %(message)s"))
        return syslog
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s.%(msecs)03d cwmp: {service}: %(message)s", "%H:%M:%S")
    )
    return handler


def without_credentials(url: str) -> str:
    """`url` without user name and password, for logs and replies."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
