"""What a service that rests leaves with the master."""

from __future__ import annotations

import os
import socket

from cwmp.runtime.rest import Bed, Place
from ubuskit.client import Dormant


def test_no_program_inherits_the_connection() -> None:
    """One that outlives the service, as a package manager may, would keep its object on the bus."""
    masters, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connected, daemon = socket.socketpair()
    with masters, childs, connected, daemon:
        Bed(1.0, childs).rest(Dormant(connected, 7, 9, {"cwmp.firmware": 5}))
        place = Place.of(masters)
        assert place is not None
        taken = place.take_up()
        assert taken is not None
        with taken.connected:
            assert (taken.client_id, taken.sequence, taken.registered) == (7, 9, {"cwmp.firmware": 5})
            assert not os.get_inheritable(taken.connected.fileno())
