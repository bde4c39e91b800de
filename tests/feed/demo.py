"""``python -m tests.feed.demo DIRECTORY PYTHON [USER ACL]``: the demo of the lab, with the suite run by PYTHON.

With USER, session and diagnostics become that user, as whom the access rules in the file ACL let them on the bus.
The lab's own demo cannot do this: its directory is only for who started it.
"""

import shutil
import sys
from pathlib import Path

from cwmp.lab import demo
from cwmp.lab.console import Console, run_until_signal


def main(directory: str, python: str, acl: str = "") -> int:
    work = Path(directory)
    work.chmod(0o755)
    if acl:
        rules = work / "root/usr/share/acl.d"
        rules.mkdir(parents=True)
        shutil.copy(acl, rules / "cwmp.json")
    sys.executable = python
    demo._DEADLINE = 40.0
    return run_until_signal(lambda: demo._demo(Console(sys.stdout), work, separate=False))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
