"""Subtrees of the model that other daemons serve: Ambiorix on prplOS, bbfdm on iopsys.

`Mount` (mount.py) is one of them and its place in the tree; `Mounts` (mounts.py) keeps them all; ambiorix.py and
bbfdm.py speak with the daemons.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # mount.py builds on tables and tree, which know of mounts
    from cwmp.datamodel.remote.mount import Mount

__all__ = ["Mount"]
