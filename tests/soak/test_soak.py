"""The soak's own promises, and each of its operations once on a router."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.soak.__main__ import CREDENTIALS, USER
from tests.soak.ledger import Due, Ledger
from tests.soak.operations import Work
from tests.soak.samples import Sample, Samples

from cwmp.lab.acs import open_acs
from cwmp.lab.router import Options, open_router
from ubuskit.client import open_client


async def test_every_operation_once(short_dir: Path) -> None:
    async with open_acs(CREDENTIALS) as acs:
        cwmp = {
            "acs_url": acs.url,
            "username": CREDENTIALS.username,
            "password": CREDENTIALS.password,
            "connection_request_address": "127.0.0.1",
            "connection_request_username": USER[0],
            "connection_request_password": USER[1],
            "retry_minimum_wait_interval": "1",
            "retry_interval_multiplier": "1000",
            "notification_poll_interval": "1",
        }
        async with (
            open_router(short_dir / "r", Options(cwmp, patience=1.0)) as router,
            open_client(str(router.paths.bus)) as bus,
        ):
            work = Work(router, acs, bus, Random("once"), USER)
            await work.bootstrap()
            for _, operation in work.kinds.values():
                await operation()
            await work.drain()
            print(router.log.read_text())
    assert work.ledger.failures == []
    assert acs.violations == []
    assert set(work.ledger.latency) >= {"IPPing", "upload", "failing download", "value change"}


def samples(private: list[float], descriptors: list[int]) -> Samples:
    found = Samples()
    for mb, fds in zip(private, descriptors, strict=True):
        found.add("session", Sample(7, mb, mb, fds, 1))
    return found


@pytest.mark.parametrize(
    ("private", "descriptors", "words"),
    [
        ([10.0] * 40, [9] * 40, ""),
        ([10.0, 10.9] * 20, [9, 12] * 20, ""),  # what comes and goes is no leak
        ([10 + n / 20 for n in range(40)], [9] * 40, "grew by 1.50 MB"),
        ([10.0] * 40, [9 + n // 20 for n in range(40)], "1 descriptors more"),
        ([10.0, 90.0], [9, 90], ""),  # too few to say anything
    ],
)
def test_a_leak_is_told_from_what_comes_and_goes(
    private: list[float], descriptors: list[int], words: str
) -> None:
    (growth,) = samples(private, descriptors).growth()
    assert words in growth.failure
    assert bool(growth.failure) == bool(words)


def test_what_is_reported_twice_is_a_failure() -> None:
    ledger = Ledger()
    ledger.expect("key", Due("upload", 0.0))
    ledger.settle("key", 0, 1.0)
    assert (ledger.failures, ledger.latency["upload"]) == ([], [1.0])
    ledger.settle("key", 0, 2.0)
    assert ledger.failures == ["report key was told 2 times", "key was reported, and was not due"]
    ledger.expect("other", Due("upload", 0.0))
    ledger.settle("other", 9010, 1.0)
    assert ledger.failures[2:] == ["upload other ended with fault 9010"]
