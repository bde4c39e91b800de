"""Copies what a filespec on standard input names from one tree to another: lines ``+|path`` and ``-|path``.

As in OpenWrt, a path that is not there is an error, so that a list which has grown old is noticed.
"""

import glob
import shutil
import sys
from pathlib import Path

source, target = sys.argv[1:]
for line in sys.stdin.read().split():
    sign, _, path = line.partition("|")
    origin = {"+": source, "-": target}[sign]
    found = glob.glob(f"{origin}{path}")
    if not found:
        sys.exit(f"{line}: there is nothing of that name in {origin}")
    for name in map(Path, found):
        relative = name.relative_to(origin)
        if sign == "-":
            shutil.rmtree(name) if name.is_dir() else name.unlink()
        elif name.is_dir():
            shutil.copytree(name, target / relative, dirs_exist_ok=True, symlinks=True)
        else:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, target / relative)
