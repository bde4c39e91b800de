"""Every text of the application that LuCI translates, as the template that translators begin with.

``python -m tests.luci.strings`` writes it anew; a test says when that is due.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

APP = Path(__file__).parents[2] / "openwrt-feed/luci-app-tr069"
TEMPLATE = APP / "po/templates/tr069.pot"

_CALL = re.compile(r"\b_\('((?:[^'\\]|\\.)*)'\)")
_HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n'


def found() -> dict[str, list[str]]:
    """The files that each text stands in, by text."""
    places: dict[str, list[str]] = {}

    def note(text: str, path: Path) -> None:
        files = places.setdefault(text, [])
        if (file := str(path.relative_to(APP.parent))) not in files:
            files.append(file)

    for path in sorted(APP.glob("htdocs/**/*.js")):
        for text in _CALL.findall(path.read_text()):
            note(re.sub(r"\\(.)", r"\1", text), path)
    menu = APP / "root/usr/share/luci/menu.d/luci-app-tr069.json"
    acl = APP / "root/usr/share/rpcd/acl.d/luci-app-tr069.json"
    for path, key in ((menu, "title"), (acl, "description")):
        for entry in json.loads(path.read_text()).values():
            note(entry[key], path)
    return places


def template() -> str:
    entries = []
    for text, places in sorted(found().items()):
        lines = [f"#: {where}" for where in places]
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        entries.append("\n".join([*lines, f'msgid "{quoted}"', 'msgstr ""']) + "\n")
    return "\n".join([_HEAD, *entries])


if __name__ == "__main__":
    TEMPLATE.write_text(template())
