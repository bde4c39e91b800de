"""The running router that the browser looks at: an ACS, the suite, and the web server, in a thread of their own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio
from tests.luci.site import ACLS, HERE, Dispatcher, runtime

from cwmp.contract import SERVICES
from cwmp.lab.acs import Acs, CpeFault, SessionLost, open_acs
from cwmp.lab.jsonrpc import Call, Endpoint, Site, User, read_acls
from cwmp.lab.router import Options, Router, open_router
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import PermissionDenied
from ubuskit.uci import Uci

T = TypeVar("T")
USERS = {"admin": User("secret", write=True), "guest": User("guest")}
_HOSTS = 720


class Lab:
    """`start` returns when the router's services are on the bus. Its methods are called from another thread."""

    url: str
    router: Router
    acs: Acs
    bus: Client
    endpoint: Endpoint

    def __init__(self, directory: Path) -> None:
        self.calls: list[Call] = []
        self.wants: list[Any] = []
        self._directory = directory
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main)

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(60) or self._error is not None:
            raise RuntimeError(f"the lab did not start:\n{self.log()}") from self._error

    def log(self) -> str:
        """What the router's services said."""
        path = self._directory / "log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        self.do_sync(self._stop.set)
        self._thread.join(30)

    def do(self, task: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run an async function in the lab."""
        return trio.from_thread.run(task, *args, trio_token=self._token)

    def do_sync(self, task: Callable[..., T], *args: Any) -> T:
        return trio.from_thread.run_sync(task, *args, trio_token=self._token)

    def call(self, path: str, method: str, **args: Any) -> dict[str, Any]:
        """A call on the bus, past the browser."""
        return self.do(partial(self.bus.call, path, method, args, timeout=20))

    def schedule(self, url: str, message: str) -> None:
        """A ScheduleDownload of the ACS's for which somebody here has to agree, all day."""
        window = {"start": 0, "end": 86400, "mode": "4 Confirmation Needed", "user_message": message}
        args = {"command_key": "", "file_type": "1 Firmware Upgrade Image", "url": url, "windows": [window]}
        request = {"id": "schedule-1", "from": "tester", "op": "schedule_download", "args": args}
        self.do(self.bus.send, "cwmp.firmware.request", request)

    @contextmanager
    def heard(self, event: str) -> Iterator[None]:
        """Ends when an event of this name has been sent since it began."""
        heard = threading.Event()
        listener = self.do(self.bus.listen, event, lambda *_: heard.set())
        yield
        if not heard.wait(20):
            raise RuntimeError(f"nobody sent {event}")
        self.do(listener.close)

    def login(self, user: str) -> str:
        return self.do_sync(self.endpoint.login, user).id

    def kill(self, service: str) -> None:
        self.do_sync(self.router.kill, service)

    def hold_down(self, service: str) -> None:
        """Kill a service, and keep who would start it again from doing so until `let_up`."""
        os.kill(self.do_sync(self.router.suite_pid), signal.SIGSTOP)
        self.kill(service)
        self.do(self._gone, _object(service))

    def let_up(self, service: str) -> None:
        """Let a service that was held down start again; returns when it is there."""
        os.kill(self.do_sync(self.router.suite_pid), signal.SIGCONT)
        self.wait_for(service)

    def slow_file(self, size: int, sent: int) -> str:
        """The URL of a file that never comes to its end."""
        return self.do(self._serve_slowly, size, sent)

    def wait_for(self, service: str) -> None:
        """Until a service's object is on the bus."""
        self.do(self._there, _object(service))

    def sessions(self) -> int:
        """How many sessions there were since the service started."""
        return int(self.call("cwmp", "status")["statistics"]["sessions"])

    def inform(self, result: str = "success") -> None:
        """Have a session, and see it end like this."""
        before = self.sessions()
        self.call("cwmp", "inform")
        self.wait_idle(result, before)

    def wait_idle(self, result: str, before: int = 0) -> None:
        """Until no session is open, there were more than `before`, and the last one ended like this."""
        self.do(self._idle, result, before)

    def _main(self) -> None:
        try:
            trio.run(self._run)
        except BaseException as error:
            self._error = error
            self._ready.set()

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        async with open_acs(None) as self.acs:
            options = Options(
                {
                    "acs_url": self.acs.url,
                    "periodic_inform_enable": "0",
                    "connection_request_address": "127.0.0.1",
                    "connection_request_username": "acs",
                    "connection_request_password": "knock",
                    "retry_minimum_wait_interval": "60",
                }
            )
            async with (
                open_router(self._directory, options) as self.router,
                open_client(str(self.router.paths.bus)) as self.bus,
                trio.open_nursery() as nursery,
            ):
                self._nursery = nursery
                await self._own_objects()
                self._lease_addresses()
                groups = read_acls(ACLS, HERE / "acl.d")
                uci = Uci(self.router.paths.uci_dir, self.router.paths.uci_save_dir)
                self.endpoint = Endpoint(self.bus, uci, groups, USERS, self.calls.append)
                site = Site(self.endpoint, runtime(), Dispatcher(self.endpoint))
                listeners = await nursery.start(partial(trio.serve_tcp, site.serve, 0, host="127.0.0.1"))
                host, port = listeners[0].socket.getsockname()[:2]
                self.url = f"http://{host}:{port}"
                nursery.start_soon(self._end_sessions)
                for service in SERVICES:
                    await self._there(_object(service))
                self._ready.set()
                await self._stop.wait()
                nursery.cancel_scope.cancel()

    async def _own_objects(self) -> None:
        """What LuCI's own runtime asks of a router when a browser comes for the first time."""

        async def features(_: Request) -> dict[str, Any]:
            return {"firewall": True}

        async def entries(_: Request) -> dict[str, Any]:
            return {"entries": []}

        await self.bus.add_object("luci", {"getFeatures": Method(features)})
        await self.bus.add_object(
            "file",
            {
                "list": Method(entries, {"path": str}),
                "exec": Method(self._exec, {"command": str, "params": list}),
            },
        )

    async def _exec(self, request: Request) -> dict[str, Any]:
        """rpcd's: what the ACL file names word by word, run for the router in the lab."""
        command = [request.args["command"], *request.args["params"]]
        granted = read_acls(ACLS)["luci-app-tr069"]["write"]["file"]
        if granted.get(" ".join(command)) != ["exec"]:
            raise PermissionDenied(f"{command}")
        paths = self.router.paths
        where = ["--bus", str(paths.bus), "--uci-dir", str(paths.uci_dir)]
        program = [sys.executable, "-m", "cwmp.cli", *command[1:], *where]
        done = await trio.run_process(program, capture_stdout=True, capture_stderr=True, check=False)
        return {"code": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}

    def _lease_addresses(self) -> None:
        """So many hosts in the LAN that there are some 5000 parameters."""
        with self.router.paths.system("/tmp/dhcp.leases").open("a") as leases:
            for n in range(_HOSTS):
                mac = f"02:00:5e:01:{n // 256:02x}:{n % 256:02x}"
                leases.write(f"4102444800 {mac} 10.1.{n // 250}.{n % 250 + 1} host-{n} 01:{mac}\n")

    async def _end_sessions(self) -> None:
        """What the ACS does in every session: it asks for `wants`, mostly nothing, and ends it."""
        while True:
            with suppress(SessionLost):
                async with self.acs.session(timeout=float("inf")) as session:
                    for message in self.wants:
                        with suppress(CpeFault):
                            await session.rpc(message)

    async def _there(self, path: str) -> None:
        with trio.fail_after(20):
            while not await self.bus.lookup(path):
                await self._something()

    async def _gone(self, path: str) -> None:
        with trio.fail_after(20):
            while await self.bus.lookup(path):
                await self._something()

    async def _serve_slowly(self, size: int, sent: int) -> str:
        async def serve(stream: trio.SocketStream) -> None:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"
            with suppress(trio.BrokenResourceError):
                await stream.receive_some()
                await stream.send_all(head.encode() + bytes(sent))
                while await stream.receive_some():
                    pass

        listeners = await self._nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        return f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/image.bin?token=abc"

    async def _idle(self, result: str, before: int) -> None:
        with trio.fail_after(20):
            while True:
                status = await self.bus.call("cwmp", "status")
                ended = status["session"] == "idle" and status["last_session"]["result"] == result
                if ended and status["statistics"]["sessions"] > before:
                    return
                await self._something()

    async def _something(self) -> None:
        """Until anything is said on the bus, or a moment passed."""
        heard = trio.Event()
        listener = await self.bus.listen("*", lambda *_: heard.set())
        with trio.move_on_after(0.2):
            await heard.wait()
        await listener.close()


def _object(service: str) -> str:
    return "cwmp" if service == "session" else f"cwmp.{service}"
