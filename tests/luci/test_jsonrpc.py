"""The lab's `/ubus/`: what is let through, what is refused, and how the configuration changes by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from cwmp.lab.acs.http import get
from cwmp.lab.jsonrpc import NOBODY, Call, Endpoint, Mount, Site, User, grants, read_acls
from cwmp.runtime import Paths
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.uci import Uci

GROUPS = {
    "unauthenticated": {"read": {"ubus": {"session": ["access", "login"]}}},
    "app": {
        "read": {"ubus": {"thing": ["look"], "uci": ["get", "changes"]}, "uci": ["open"]},
        "write": {
            "ubus": {"thing": ["*"], "uci": ["*"]},
            "uci": {"secret": ["read", "write"], "open": ["write"]},
        },
    },
}
USERS = {"admin": User("good", write=True), "guest": User("poor")}
Ask = Callable[..., Any]


@pytest.fixture
async def thing(bus: Path) -> Any:
    """An object on the bus, by a client of its own; what it was asked."""
    asked: list[dict[str, Any]] = []

    async def look(request: Request) -> dict[str, Any]:
        asked.append(request.args)
        return {"seen": 1}

    async def touch(request: Request) -> None:
        asked.append(request.args)

    async with open_client(str(bus)) as server:
        await server.add_object("thing", {"look": Method(look, {"n": int}), "touch": Method(touch)})
        await server.add_object("service", {"event": Method(touch, {"type": str, "data": dict})})
        yield asked


@pytest.fixture
def endpoint(client: Client, paths: Paths) -> Endpoint:
    for name in ("open", "secret"):
        (paths.uci_dir / name).write_text("config main 'main'\n\toption colour 'red'\n\tlist item 'a'\n")
    return Endpoint(client, Uci(paths.uci_dir, paths.uci_save_dir), GROUPS, USERS)


@pytest.fixture
def ask(endpoint: Endpoint) -> Ask:
    """``await ask(session, object, method, args)``: the result, or the error's code."""

    async def call(key: str, target: str, method: str, args: dict[str, Any] | None = None) -> Any:
        params = [key, target, method, args or {}]
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "call", "params": params})
        reply = json.loads(await endpoint.answer(body.encode()))
        assert reply["id"] == 7
        return reply["result"] if "result" in reply else reply["error"]["code"]

    return call


async def test_a_login_opens_what_its_user_is_granted(ask: Ask, thing: list[dict[str, Any]]) -> None:
    assert await ask(NOBODY, "thing", "look") == -32002
    assert await ask(NOBODY, "session", "login", {"username": "admin", "password": "bad"}) == [6]
    _, data = await ask(NOBODY, "session", "login", {"username": "guest", "password": "poor"})
    guest = data["ubus_rpc_session"]
    assert await ask(guest, "thing", "look", {"n": 1}) == [0, {"seen": 1}]
    assert await ask(guest, "thing", "touch") == -32002
    assert thing == [{"n": 1}]
    access = {"scope": "ubus", "object": "thing", "function": "touch"}
    assert await ask(guest, "session", "access", access) == [0, {"access": False}]
    assert await ask(guest, "session", "destroy") == [0]
    assert await ask(guest, "thing", "look") == -32002


async def test_statuses_and_objects_that_are_not_there(ask: Ask, endpoint: Endpoint, thing: Any) -> None:
    admin = endpoint.login("admin").id
    assert await ask(admin, "thing", "touch") == [0]
    assert await ask(admin, "thing", "nothing") == [3]
    endpoint._groups["app"]["write"]["ubus"]["gone"] = ["*"]
    assert await ask(endpoint.login("admin").id, "gone", "look") == -32000


async def test_a_session_ends_when_nobody_uses_it(client: Client, paths: Paths, autojump_clock: Any) -> None:
    endpoint = Endpoint(client, Uci(paths.uci_dir, paths.uci_save_dir), GROUPS, USERS)
    key = endpoint.login("admin").id
    await trio.sleep(299)
    assert endpoint.session(key).user == "admin"
    await trio.sleep(301)
    assert endpoint.session(key).user == ""


async def test_several_calls_in_one_message(endpoint: Endpoint, thing: Any) -> None:
    heard: list[Call] = []
    endpoint._on_call = heard.append
    key = endpoint.login("admin").id
    call = {"jsonrpc": "2.0", "method": "call", "params": [key, "thing", "look"]}
    reply = json.loads(await endpoint.answer(json.dumps([{**call, "id": n} for n in (1, 2)]).encode()))
    assert [(r["id"], r["result"]) for r in reply] == [(1, [0, {"seen": 1}]), (2, [0, {"seen": 1}])]
    assert heard == [Call("thing", "look", 0)] * 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"[" * 60_000, -32700),
        (b"[]", -32600),
        (b"3", -32600),
        (b'{"jsonrpc": "2.0", "method": "list", "id": 1}', -32601),
        (b'{"jsonrpc": "2.0", "method": "call", "params": ["x"]}', -32600),
        (
            b'{"jsonrpc": "2.0", "method": "call", "params": ["x", "y", "z", {"ubus_rpc_session": ""}]}',
            -32600,
        ),
        (b'"' + b"x" * (64 << 10) + b'"', -32600),
    ],
)
async def test_what_is_no_call(endpoint: Endpoint, body: bytes, code: int) -> None:
    assert json.loads(await endpoint.answer(body))["error"]["code"] == code


async def test_uci_is_changed_by_a_commit_and_procd_told(
    ask: Ask, endpoint: Endpoint, paths: Paths, thing: list[dict[str, Any]]
) -> None:
    admin, other = endpoint.login("admin").id, endpoint.login("admin").id
    values = {"colour": "blue", "item": ["b", "c"]}
    assert await ask(admin, "uci", "set", {"config": "secret", "section": "main", "values": values}) == [0]
    _, seen = await ask(admin, "uci", "get", {"config": "secret"})
    assert seen["values"]["main"]["colour"] == "blue"
    assert await ask(other, "uci", "get", {"config": "secret", "section": "main", "option": "colour"}) == [
        0,
        {"value": "red"},
    ]
    assert await ask(
        admin, "uci", "delete", {"config": "secret", "section": "main", "options": ["item"]}
    ) == [0]
    _, changes = await ask(admin, "uci", "changes")
    assert [verb for verb, *_ in changes["changes"]["secret"]] == ["set", "set", "remove"]
    assert await ask(admin, "uci", "apply") == [0]
    assert await ask(admin, "uci", "apply") == [5]
    assert await ask(admin, "uci", "confirm") == [0]
    assert Uci(paths.uci_dir, paths.uci_save_dir).load("secret").sections["main"].options == {
        "colour": "blue"
    }
    assert thing == [{"type": "config.change", "data": {"package": "secret"}}]


async def test_uci_adds_sections_and_reverts(ask: Ask, endpoint: Endpoint, paths: Paths, thing: Any) -> None:
    admin = endpoint.login("admin").id
    added = await ask(
        admin, "uci", "add", {"config": "secret", "type": "x", "name": "y", "values": {"a": "1"}}
    )
    assert added == [0, {"section": "y"}]
    assert await ask(admin, "uci", "revert", {"config": "secret"}) == [0]
    assert await ask(admin, "uci", "commit", {"config": "secret"}) == [0]
    assert "y" not in Uci(paths.uci_dir, paths.uci_save_dir).load("secret").sections


async def test_uci_is_refused_to_who_may_not(ask: Ask, endpoint: Endpoint, paths: Paths) -> None:
    guest, admin = endpoint.login("guest").id, endpoint.login("admin").id
    assert (await ask(guest, "uci", "get", {"config": "open"}))[0] == 0
    assert await ask(guest, "uci", "get", {"config": "secret"}) == [6]
    assert await ask(guest, "uci", "set", {"config": "open", "section": "main", "values": {}}) == -32002
    assert await ask(admin, "uci", "get", {"config": "../passwd"}) == [2]
    assert await ask(admin, "uci", "get") == [2]
    (paths.uci_dir / "secret").unlink()
    assert await ask(admin, "uci", "get", {"config": "secret"}) == [4]
    (paths.uci_dir / "secret").write_text("config 'half")
    assert (await ask(admin, "uci", "get", {"config": "secret"}))[0] != 0


async def test_files_are_served_and_nothing_beside_them(
    endpoint: Endpoint, tmp_path: Path, nursery: Any
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/page.js").write_text("1")
    (tmp_path / "out.js").write_text("2")
    site = Site(endpoint, [Mount("/files/", tmp_path / "in")])
    listeners = await nursery.start(partial(trio.serve_tcp, site.serve, 0, host="127.0.0.1"))
    base = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    status, headers, body = await get(f"{base}/files/page.js", {})
    assert (status, body) == (200, b"1") and "javascript" in headers["content-type"]
    for path in ("/files/../out.js", "/files/%2e%2e/out.js", "/files/", "/files/no.js", "/", "/files/%00"):
        assert (await get(base + path, {}))[0] == 404, path
    assert (await get(f"{base}/ubus/", {}))[0] == 405


def test_acl_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GROUPS))
    assert read_acls(tmp_path) == GROUPS
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(ValueError, match=r"b\.json"):
        read_acls(tmp_path)


def test_the_halves_of_a_group() -> None:
    assert grants(GROUPS, write=False)["uci"] == {"open": {"read"}}
    assert grants(GROUPS, write=True)["uci"] == {"open": {"read", "write"}, "secret": {"read", "write"}}
    assert grants(GROUPS, write=False)["access-group"]["app"] == {"read"}


@given(st.text())
def test_no_path_leads_out_of_a_mount(path: str) -> None:
    mount = Mount("/files/", Path(__file__).parent)
    found = mount.find(f"/files/{path}")
    assert found is None or found.is_relative_to(Path(__file__).parent.resolve())
