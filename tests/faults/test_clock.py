"""A clock that is set while a retry is waited for; what else time decides is tested where it is decided."""

from __future__ import annotations

import time

import pytest
from tests.faults.conftest import thorough
from tests.session.acs import Post, Reply
from tests.session.conftest import Suite, acs, suite

__all__ = ["acs", "suite"]


JUMPS = {"1970": -1.7e9, "back": -3600.0, "forth": 3600.0, "far": 1e9}


@pytest.mark.parametrize(
    "jump", [pytest.param(s, id=n, marks=thorough if n in {"back", "far"} else ()) for n, s in JUMPS.items()]
)
async def test_a_retry_comes_when_it_is_due(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """However far the clock is set meanwhile; and what is undelivered stays so, whatever the time is."""
    normal, now = suite.acs.handler, time.time

    def refuse(post: Post) -> Reply:
        monkeypatch.setattr(time, "time", lambda: now() + jump)
        suite.acs.handler = normal
        return Reply(status=503)

    suite.acs.handler = refuse
    await suite.start()
    status = await suite.ended(2)
    assert (status["statistics"]["failure"], status["statistics"]["success"]) == (1, 1)
    assert status["pending_events"] == []
    assert len(await suite.acs.informs(2)) == 2
    await suite.kill()
    monkeypatch.undo()  # the clock is right again, and nothing comes a second time
    suite.acs.posts.clear()
    await suite.start()
    assert (await suite.status())["pending_events"] == []
