"""UCI, OpenWrt's configuration: packages read through the best backend there is, and changed atomically.

    uci = Uci()
    uci.load("network").sections["lan"].options["ipaddr"]
    uci.apply({"network": [Set("lan", "ipaddr", "192.168.2.1")], "dhcp": [Set("lan", "start", "50")]})

``backends()`` tells what is available: ``native`` is libuci through the C extension, ``pyuci`` libuci through that
package, ``pure`` needs nothing. They read alike; writing is the same for all.
"""

from ubuskit.uci._model import (
    Add,
    Applied,
    Change,
    Delete,
    Option,
    Package,
    PackageNotFound,
    Section,
    Set,
    UciError,
)
from ubuskit.uci._transaction import FileOps
from ubuskit.uci._uci import Uci, backends

__all__ = [
    "Add",
    "Applied",
    "Change",
    "Delete",
    "FileOps",
    "Option",
    "Package",
    "PackageNotFound",
    "Section",
    "Set",
    "Uci",
    "UciError",
    "backends",
]
