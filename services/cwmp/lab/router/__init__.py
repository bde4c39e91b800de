"""The virtual router: a sandboxed file system, the ubus objects of its daemons, a bus and the suite.

    async with open_router(Path("/tmp/lab"), Options(cwmp={"acs_url": "http://127.0.0.1:7547/"})) as router:
        ...

As a program: ``python -m cwmp.lab.router --dir DIR --acs-url URL``.
"""

from cwmp.lab.router.image import Version, build, check
from cwmp.lab.router.machine import Options, Router, RouterError, open_router

__all__ = ["Options", "Router", "RouterError", "Version", "build", "check", "open_router"]
