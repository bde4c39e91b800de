"""``make soak MINUTES=20``: a router lives under load for that long; what it must not do is grow, leak or lose.

make soak                          5 minutes, from a new seed
make soak MINUTES=60 SEED=1a2b     the same order of operations once more

The virtual router runs ``cwmpd`` from byte code as shipped, against the lab's ACS (UBUSD=/path/to/ubusd: on the real
daemon). Operations come in random order (`tests.soak.operations`), each is checked for its result, and everything
that has to be reported for being reported once. The first fifth, at most five minutes, is warm-up. Exit code 1 when
anything failed or grew (`tests.soak.samples` has the limits).
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from statistics import median

import trio
from tests.bench.bench_footprint import as_shipped
from tests.soak.operations import REPORTED, Work, Wrong
from tests.soak.samples import Samples, quarters

from cwmp.lab.acs import CpeFault, Credentials, SessionLost, Violation, open_acs
from cwmp.lab.router import Options, Router, open_router
from ubuskit.client import open_client
from ubuskit.errors import UbusError

CREDENTIALS = Credentials("02005E-LabRouter-LAB%2D0001", "secret")
USER = ("acs", "knock")
_REST = 4.0
_WARM_UP = 300.0
_MOST_FAILURES = 20
_FAILURES = (Wrong, CpeFault, SessionLost, Violation, UbusError, OSError, trio.TooSlowError)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    logging.disable()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    with as_shipped(), tempfile.TemporaryDirectory(prefix="cwmp-soak-") as directory:
        return trio.run(soak, Path(directory) / "r", options.minutes * 60, Random(options.seed))


async def soak(directory: Path, seconds: float, random: Random) -> int:
    """The exit code."""
    cwmp = {
        "username": CREDENTIALS.username,
        "password": CREDENTIALS.password,
        "periodic_inform_interval": "20",
        "connection_request_address": "127.0.0.1",
        "connection_request_username": USER[0],
        "connection_request_password": USER[1],
        "retry_minimum_wait_interval": "1",
        "retry_interval_multiplier": "1000",
        "notification_poll_interval": "5",
    }
    async with open_acs(CREDENTIALS) as acs:
        options = Options({**cwmp, "acs_url": acs.url}, patience=_REST)
        async with open_router(directory, options) as router, open_client(str(router.paths.bus)) as bus:
            work = Work(router, acs, bus, random, USER)
            samples, counts = Samples(), Counter[str]()
            began = time.monotonic()
            await _do(work, "bootstrap", counts, router)
            warm = began + min(seconds / 5, _WARM_UP)
            await _do(work, "configuration", counts, router)
            await _until(warm, work, counts, router, Samples(), random)
            work.ledger.latency.clear()
            settled = dict(router.service_pids())
            await _until(began + seconds, work, counts, router, samples, random)
            stayed = {
                name
                for name in ("session", "datamodel")
                if router.service_pids().get(name) == settled.get(name, 0)
            }
            await _do(work, "rest", counts, router)
            samples.take(_processes(router))
            await _do(work, "configuration", counts, router)
            failures = work.ledger.failures
            failures += [f"a violation of the ACS's rules: {text}" for text in acs.violations]
            failures += [f"{name} did not stay up" for name in {"session", "datamodel"} - stayed]
            failures += [f"{key} was never reported" for key in work.ledger.due]
            if (knocks := work.ledger.codes["6 CONNECTION REQUEST"]) != work.knocked:
                failures.append(f"{work.knocked} connection requests were accepted, {knocks} were reported")
            if work.ledger.codes["0 BOOTSTRAP"] != 1:
                failures.append(f"{work.ledger.codes['0 BOOTSTRAP']} times 0 BOOTSTRAP")
            log = router.log.read_text()
    failures += [
        f"in the log: {line}" for line in log.splitlines() if "Traceback" in line or "ended (" in line
    ]
    _report(work, counts, samples, failures)
    if failures:
        kept = Path(tempfile.gettempdir()) / "cwmp-soak.log"
        kept.write_text(log)
        print(f"the router's log is kept as {kept}")
    print("FAIL" if failures else "PASS")
    return int(bool(failures))


async def _until(
    end: float, work: Work, counts: Counter[str], router: Router, samples: Samples, random: Random
) -> None:
    """Operations in random order until then."""
    kinds, weights = list(work.kinds), [weight for weight, _ in work.kinds.values()]
    while time.monotonic() < end and len(work.ledger.failures) < _MOST_FAILURES:
        (kind,) = random.choices(kinds, weights)
        await _do(work, kind, counts, router)
        samples.take(_processes(router))


async def _do(work: Work, kind: str, counts: Counter[str], router: Router) -> None:
    """One operation; its failure is noted and the next is begun."""
    began = time.monotonic()
    counts[kind] += 1
    other = {"bootstrap": work.bootstrap, "configuration": work.configuration, "rest": work.rest}
    operation = other[kind] if kind in other else work.kinds[kind][1]
    try:
        await operation()
    except _FAILURES as failure:
        work.ledger.failures.append(f"{kind}: {type(failure).__name__}: {failure}")
        print(f"{time.strftime('%H:%M:%S')} {work.ledger.failures[-1]}", flush=True)
    else:
        if kind not in other and kind not in REPORTED:
            work.ledger.latency[kind].append(time.monotonic() - began)


def _processes(router: Router) -> Mapping[str, int]:
    return {**router.service_pids(), "master": router.suite_pid()}


def _report(work: Work, counts: Counter[str], samples: Samples, failures: list[str]) -> None:
    ledger = work.ledger
    sessions = ", ".join(f"{code} {number}" for code, number in sorted(ledger.codes.items()))
    print(
        f"\n{counts.total()} operations; events told: {sessions}; {sum(ledger.told.values())} reports and results\n"
    )
    print(f"{'operation':<24} {'count':>6} {'median ms':>10} {'most ms':>10} {'last/first':>10}")
    for kind, taken in sorted(ledger.latency.items()):
        first, last = quarters(taken)
        drift = median(last) / max(median(first), 1e-9)
        figures = f"{median(taken) * 1000:>10.0f} {max(taken) * 1000:>10.0f} {drift:>10.2f}"
        print(f"{kind:<24} {len(taken):>6} {figures}")
    print("\nafter warm-up, first quarter against last:")
    heads = f"{'process':<12} {'samples':>8} {'pids':>5} {'PSS':>7} {'private':>8}"
    print(f"{heads} {'growth MB':>10} {'fds':>5} {'growth':>7}  private by quarter")
    for grown in samples.growth():
        print(
            f"{grown.service:<12} {grown.samples:>8} {grown.processes:>5} {grown.pss:>7.2f} {grown.private:>8.2f}"
            f" {grown.private_growth:>+10.2f} {grown.descriptors:>5} {grown.descriptor_growth:>+7}"
            f"  {' '.join(f'{each:.2f}' for each in grown.course)}"
        )
        if grown.failure:
            failures.append(grown.failure)
    print(f"\n{len(failures)} failures")
    for failure in failures[:_MOST_FAILURES]:
        print(f"  {failure}")


if __name__ == "__main__":
    sys.exit(main())
