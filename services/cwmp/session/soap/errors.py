"""What can be wrong with a message as such."""

from __future__ import annotations


class SoapError(Exception):
    """What the ACS sent is no CWMP message: the session ends as failed, without a fault (TR-069a6 3.5)."""
