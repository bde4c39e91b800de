"""LuCI's dispatcher as far as the application needs it: pages, menu, and applying the configuration.

What runs in the browser is the stand-in for LuCI's runtime beside this file, or LuCI's own files when the variable
LUCI names a checkout of them.
"""

from __future__ import annotations

import json
import os
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cwmp.lab.acs.http import Request, Response
from cwmp.lab.jsonrpc import Endpoint, Mount, Session
from ubuskit.errors import StatusError

HERE = Path(__file__).parent
APP = HERE.parents[1] / "openwrt-feed/luci-app-tr069"
SCRIPT = "/cgi-bin/luci"
MENU = APP / "root/usr/share/luci/menu.d/luci-app-tr069.json"
ACLS = APP / "root/usr/share/rpcd/acl.d"

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>LuCI</title>
<script>
	var dark = window.matchMedia('(prefers-color-scheme: dark)');
	var setDark = function(m) { document.documentElement.setAttribute('data-darkmode', m.matches) };
	dark.addEventListener('change', setDark); setDark(dark);
</script>
<meta name="viewport" content="initial-scale=1.0">
<link rel="stylesheet" href="/luci-static/bootstrap/cascade.css">
<link rel="stylesheet" media="only screen and (max-device-width: 854px)" href="/luci-static/bootstrap/mobile.css">
<script src="/cgi-bin/luci/admin/translations/en"></script>
<script src="/luci-static/resources/cbi.js"></script></head>
<body class="lang_en">
<header><a class="brand" href="/">OpenWrt</a><ul class="nav" id="topmenu" style="display:none"></ul>
<div id="indicators" class="pull-right"></div></header>
<div id="maincontent" class="container"><div id="tabmenu" style="display:none"></div>
<script src="/luci-static/resources/luci.js"></script>
<script>L = new LuCI(@ENV@);</script>
<div id="view"><div class="spinning">Loading view</div>
<script>L.require('ui').then(function(ui) { ui.instantiateView('@VIEW@') });</script></div></div>
<footer><ul class="breadcrumb pull-right" id="modemenu" style="display:none"></ul></footer>
<script>L.require('menu-bootstrap')</script>
</body></html>
"""


def runtime() -> list[Mount]:
    """Where the browser finds our files, LuCI's runtime and the theme; the first that has a file gives it."""
    found = [APP / "htdocs/luci-static"]
    if luci := os.environ.get("LUCI"):
        found.append(Path(luci) / "modules/luci-base/htdocs/luci-static")
        found.append(Path(luci) / "themes/luci-theme-bootstrap/htdocs/luci-static")
    else:
        found.append(HERE / "standin")
    return [Mount("/luci-static/", directory) for directory in found]


class Dispatcher:
    """Answers what lies below /cgi-bin/luci."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._menu: dict[str, Any] = json.loads(MENU.read_text())

    async def __call__(self, request: Request) -> Response:
        path = urlsplit(request.target).path
        if path == "/favicon.ico":
            return Response(204)
        if path == "/cgi-bin/cgi-exec":  # by which interface the browser reaches the router
            return _json({})
        cookie = SimpleCookie(request.headers.get("cookie", "")).get("sysauth")
        session = self._endpoint.session(cookie.value if cookie else "")
        parts = path.removeprefix(SCRIPT).strip("/").split("/")
        match parts:
            case ["admin", "translations", _]:
                return Response(200, b"window.TR={};", [("Content-Type", "text/javascript")])
            case ["admin", "menu"]:
                return _json(self._tree(session))
            case ["admin", "uci", action] if request.method == "POST":
                return await self._uci(session, action)
        entry = self._menu.get("/".join(parts))
        if entry is None or entry["action"]["type"] != "view" or not path.startswith(SCRIPT):
            return Response(404)
        allowed = self._allowed(session, parts)
        if allowed is None:
            return Response(403, b"Forbidden", _HTML)
        return Response(200, self._page(session, parts, entry, readonly=allowed == "read"), _HTML)

    def _allowed(self, session: Session, parts: list[str]) -> str | None:
        """What the groups that a page and those above it depend on allow: `write`, `read` or None, as LuCI has it."""
        below = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        groups = [g for path in below for g in self._menu.get(path, {}).get("depends", {}).get("acl", ())]
        granted = [{h for h in ("read", "write") if session.may("access-group", g, h)} for g in groups]
        if not all(granted):
            return None
        return "write" if not groups or any("write" in halves for halves in granted) else "read"

    def _page(self, session: Session, parts: list[str], entry: dict[str, Any], *, readonly: bool) -> bytes:
        env = {
            "media": "/luci-static/bootstrap",
            "resource": "/luci-static/resources",
            "scriptname": SCRIPT,
            "pathinfo": "/" + "/".join(parts),
            "documentroot": "/www",
            "requestpath": parts,
            "dispatchpath": parts,
            "pollinterval": 5,
            "ubuspath": "/ubus/",
            "sessionid": session.id,
            "token": "0" * 32,
            "nodespec": {**entry, "satisfied": True, "readonly": readonly},
            "apply_rollback": 90,
            "apply_holdoff": 0.2,
            "apply_timeout": 5,
            "apply_display": 0.2,
            "rollback_token": None,
        }
        text = _PAGE.replace("@ENV@", json.dumps(env)).replace("@VIEW@", entry["action"]["path"])
        return text.encode()

    def _tree(self, session: Session) -> dict[str, Any]:
        root: dict[str, Any] = {"satisfied": True, "children": {}}
        for path, entry in {
            "admin": {"title": "Administration"},
            "admin/services": {"title": "Services"},
            **self._menu,
        }.items():
            if self._allowed(session, path.split("/")) is None:
                continue
            node = root
            for part in path.split("/"):
                node = node.setdefault("children", {}).setdefault(part, {"satisfied": True})
            node |= {"action": {"type": "firstchild"}, **entry}
        return root

    async def _uci(self, session: Session, action: str) -> Response:
        try:
            if action in {"apply_rollback", "apply_unchecked"}:
                await self._endpoint.uci.call(session.id, session.may, "apply", {})
                return _json({"token": "1" * 32})
            if action == "confirm":
                await self._endpoint.uci.call(session.id, session.may, "confirm", {})
                return Response(200, b"OK")
        except StatusError as error:
            return Response({5: 204, 6: 403}.get(int(error.status), 400))
        return Response(404)


_HTML = [("Content-Type", "text/html; charset=utf-8")]


def _json(found: Any) -> Response:
    return Response(200, json.dumps(found).encode(), [("Content-Type", "application/json")])
