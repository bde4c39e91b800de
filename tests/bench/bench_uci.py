"""UCI: 30 packages of 50 sections of 20 options, against load and walk in C."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import _floor

from ubuskit.uci import Uci, backends

PACKAGES, SECTIONS, OPTIONS = 30, 50, 20
LIMITS = {"native": 1.4}


def run(report: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        confdir, savedir = Path(name, "config"), Path(name, "save")
        confdir.mkdir()
        savedir.mkdir()
        for n in range(PACKAGES):
            (confdir / f"package{n}").write_text(_text(n))
        work: dict[str, Callable[[], object]] = {
            backend: partial(_load_all, Uci(confdir, savedir, backend=backend)) for backend in backends()
        }
        floor = _floor.floor()
        if floor is not None:
            work["C"] = partial(floor.floor_uci, bytes(confdir), bytes(savedir), PACKAGES)
            assert work["C"]()
        seconds = _floor.best(work, rounds=15)
    for backend in backends():
        value = seconds[backend]
        baseline = seconds.get("C", value)
        report(
            f"uci, {PACKAGES}x{SECTIONS}x{OPTIONS} options, {backend} / C load and walk",
            value * 1e3,
            "ms",
            baseline * 1e3,
            value / baseline,
            LIMITS.get(backend) if floor is not None else None,
        )


def _text(package: int) -> str:
    parts = []
    for section in range(SECTIONS):
        parts.append(f"\nconfig interface 'section{section}'\n" if section % 2 else "\nconfig rule\n")
        parts += [f"\toption option{n} 'value {package} {section} {n}'\n" for n in range(OPTIONS)]
    return "".join(parts)


def _load_all(uci: Uci) -> None:
    for n in range(PACKAGES):
        uci.load(f"package{n}")
