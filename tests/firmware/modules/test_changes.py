"""What is pure of software modules: UUIDs, which units an operation means, the record of changes (CWMP.md 15)."""

from __future__ import annotations

import dataclasses
import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.contract import Fault
from cwmp.contract.firmware import DUOperation, DUResult
from cwmp.firmware.modules import catalog as catalogs
from cwmp.firmware.modules import changes as records
from cwmp.firmware.modules import identity, selection
from cwmp.firmware.modules.catalog import Catalog, Deployed, Known
from cwmp.firmware.modules.changes import Applying, Change, Changes, Phase, Task
from cwmp.firmware.modules.units import Environment, ExecutionUnit, Inventory, Target, Unit
from cwmp.firmware.times import Now

NOW = Now(1_750_000_000.0, 100.0, "boot")
ONE = "11111111-1111-5111-8111-111111111111"
TWO = "22222222-2222-5222-8222-222222222222"


def change(*operations: DUOperation, name: str = "1") -> Change:
    return Change(name, f"request-{name}", "key", NOW, [Task(o) for o in operations])


def result(state: str = "Installed") -> DUResult:
    return DUResult("Install", ONE, "", "1", state, True, [], "", "")


class TestUuid:
    def test_by_name_and_vendor(self) -> None:
        assert identity.uuid_of("hello", "Example") == str(uuid.uuid5(uuid.NAMESPACE_DNS, "hello.Example."))

    @pytest.mark.parametrize(
        ("name", "encoded"), [("a b", "a%20b"), ("a.b", "a%2eb"), ("é~", "%c3%a9%7e"), ("A-b_9", "A-b_9")]
    )
    def test_characters_of_the_name_are_encoded(self, name: str, encoded: str) -> None:
        expected = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{encoded}.Example Ltd.."))
        assert identity.uuid_of(name, "Example Ltd.") == expected

    def test_small_letters(self) -> None:
        assert identity.canonical("ABCDEF00-1111-5111-8111-1111111111FF") == (
            "abcdef00-1111-5111-8111-1111111111ff"
        )

    @pytest.mark.parametrize("text", ["", "x", ONE + "0", ONE.replace("-", ""), f"{{{ONE}}}", ONE + "\n"])
    def test_9022(self, text: str) -> None:
        with pytest.raises(Fault) as refused:
            identity.canonical(text)
        assert refused.value.code == 9022


ENVIRONMENTS = (
    Environment("a", "A", "kind"),
    Environment("b", "B", "kind"),
    Environment("c", "C", "kind", enabled=False),
)
NUMBERS = {"a": 1, "b": 2, "c": 3}


def unit(environment: str, key: str, of: str, version: str = "1", url: str = "http://h/1") -> Deployed:
    known = Known(environment, key, 1, of, key, version, url)
    return Deployed(known, Unit(key, environment, key, "", version))


DEPLOYED = (unit("a", "x", ONE), unit("b", "x", ONE), unit("a", "y", TWO, "2", "http://h/2"))


def places(*found: tuple[str, str]) -> list[Target]:
    return [Target(*place) for place in found]


class TestWhichUnits:
    """The table of CWMP.md 15, row by row."""

    @pytest.mark.parametrize(
        ("operation", "expected"),
        [
            (DUOperation("Install", url="http://h/"), places(("a", ""))),
            (
                DUOperation(
                    "Install", url="http://h/", execution_env_ref="Device.SoftwareModules.ExecEnv.2."
                ),
                places(("b", "")),
            ),
            (DUOperation("Update", uuid=ONE), places(("a", "x"), ("b", "x"))),
            (DUOperation("Update", uuid=ONE.upper()), places(("a", "x"), ("b", "x"))),
            (DUOperation("Update", url="http://h/2"), places(("a", "y"))),
            (DUOperation("Update", uuid=ONE, url="http://h/9"), places(("a", "x"), ("b", "x"))),
            (DUOperation("Update"), places(("a", "x"), ("b", "x"), ("a", "y"))),
            (DUOperation("Uninstall", uuid=ONE), places(("a", "x"), ("b", "x"))),
            (DUOperation("Uninstall", uuid=TWO, version="2"), places(("a", "y"))),
            (
                DUOperation("Uninstall", uuid=ONE, execution_env_ref=".SoftwareModules.ExecEnv.2"),
                places(("b", "x")),
            ),
        ],
    )
    def test_meant(self, operation: DUOperation, expected: list[Target]) -> None:
        selection.check(operation, {"http"})
        assert selection.targets(operation, DEPLOYED, ENVIRONMENTS, NUMBERS) == expected

    @pytest.mark.parametrize(
        ("operation", "code"),
        [
            (DUOperation("Install"), 9003),
            (DUOperation("Install", url="http://h/" + "a" * 1024), 9003),
            (DUOperation("Install", url="http://h/", version="1" * 33), 9003),
            (DUOperation("Install", url="gopher://h/"), 9013),
            (DUOperation("Install", url="docker://h/"), 9013),
            (
                DUOperation("Install", url="http://h/", execution_env_ref="Device.SoftwareModules.ExecEnv.9"),
                9023,
            ),
            (
                DUOperation("Install", url="http://h/", execution_env_ref="Device.SoftwareModules.ExecEnv.3"),
                9024,
            ),
            (DUOperation("Update", uuid=ONE.replace("1", "3")), 9028),
            (DUOperation("Update", version="1"), 9003),
            (DUOperation("Uninstall", uuid=ONE, execution_env_ref="Device.SoftwareModules.ExecEnv.9"), 9023),
            (DUOperation("Replace"), 9003),
        ],
    )
    def test_refused(self, operation: DUOperation, code: int) -> None:
        with pytest.raises(Fault) as refused:
            selection.check(operation, {"http"})
            selection.targets(operation, DEPLOYED, ENVIRONMENTS, NUMBERS)
        assert refused.value.code == code

    def test_9031_several_versions(self) -> None:
        several = (unit("a", "x", ONE, "1"), unit("b", "x", ONE, "2"))
        with pytest.raises(Fault) as refused:
            selection.targets(DUOperation("Update", uuid=ONE), several, ENVIRONMENTS, NUMBERS)
        assert refused.value.code == 9031
        only = selection.targets(DUOperation("Update", uuid=ONE, version="2"), several, ENVIRONMENTS, NUMBERS)
        assert only == places(("b", "x"))

    def test_no_environment_at_all(self) -> None:
        with pytest.raises(Fault) as refused:
            selection.targets(DUOperation("Install", url="http://h/"), (), (), {})
        assert refused.value.code == 9023

    def test_schemes_of_the_backend(self) -> None:
        selection.check(DUOperation("Install", url="docker://registry.example.com/a:1"), {"docker"})
        with pytest.raises(Fault) as refused:
            selection.check(DUOperation("Install", url="docker://user@registry.example.com/a"), {"docker"})
        assert refused.value.code == 9003


class TestChanges:
    def test_one_after_the_other(self) -> None:
        changes = Changes().add(change(DUOperation("Install"), DUOperation("Update")))
        changes = changes.begin("1", 0, NOW).resolve("1", 0, places(("a", ""))).result("1", 0, result())
        found = changes.current()
        assert found is not None
        assert found[1] == 1
        assert changes.finished() == []
        changes = changes.begin("1", 1, NOW).result("1", 1, result("Failed"))
        assert changes.current() is None
        (done,) = changes.finished()
        assert [r.current_state for r in records.report(done).results] == ["Installed", "Failed"]

    def test_a_result_for_each_target(self) -> None:
        changes = Changes().add(change(DUOperation("Update"))).begin("1", 0, NOW)
        changes = changes.resolve("1", 0, places(("a", "x"), ("b", "x"))).result("1", 0, result())
        task = changes.task("1", 0)
        assert (task.phase, task.left, len(task.results)) == (Phase.WORKING, places(("b", "x")), 1)
        assert changes.result("1", 0, result()).task("1", 0).phase == Phase.DONE

    def test_credentials_go_with_the_result(self) -> None:
        operation = DUOperation("Install", username="user", password="secret")
        changes = Changes().add(change(operation)).begin("1", 0, NOW)
        assert "secret" in json.dumps(records.to_document(changes))
        assert "secret" not in json.dumps(records.to_document(changes.result("1", 0, result())))

    def test_what_is_confirmed_is_remembered_by_its_request(self) -> None:
        changes = Changes().add(change(DUOperation("Install"))).begin("1", 0, NOW)
        assert changes.acknowledge("1") is changes  # not before it is done
        changes = changes.result("1", 0, result()).acknowledge("1")
        assert changes.changes == ()
        assert changes.knows_request("request-1")
        assert not changes.knows_request("request-2")

    def test_bounds(self) -> None:
        with pytest.raises(Fault) as refused:
            Changes().add(change(*[DUOperation("Install")] * 17))
        assert refused.value.code == 9004
        changes = Changes()
        for n in range(records.MAX_CHANGES):
            changes = changes.add(change(DUOperation("Install"), name=str(n)))
        with pytest.raises(Fault) as refused:
            changes.add(change(DUOperation("Install"), name="more"))
        assert refused.value.code == 9004

    @pytest.mark.parametrize(
        ("now", "left"),
        [
            (Now(0.0, 100.0 + 3600, "boot"), records.DEADLINE - 3600),  # the clock was set back
            (Now(NOW.wall + 7200, 5.0, "next"), records.DEADLINE - 7200),
            (Now(10.0, 60.0, "next"), records.DEADLINE - 60),  # nobody has set the clock after the boot
        ],
    )
    def test_the_time_that_is_left(self, now: Now, left: float) -> None:
        assert change().left(now) == left

    def test_a_damaged_record_costs_itself(self) -> None:
        document = records.to_document(Changes().add(change(DUOperation("Install"))))
        document["changes"] += [{"id": 3}, "nonsense"]
        changes, problems = records.from_document(json.loads(json.dumps(document)))
        assert ([c.id for c in changes.changes], len(problems)) == (["1"], 2)


_texts = st.text(max_size=8)
_tasks = st.builds(
    Task,
    operation=st.builds(DUOperation, kind=_texts, url=_texts, uuid=_texts, password=_texts),
    attempts=st.integers(0, 5),
    started=st.floats(0, 2e9),
    resolved=st.booleans(),
    left=st.lists(st.builds(Target, _texts, _texts), max_size=2),
    applying=st.none() | st.builds(Applying, _texts, _texts, _texts, _texts),
    results=st.lists(st.just(result()), max_size=2),
)


@settings(max_examples=30)
@given(st.lists(_tasks, max_size=3))
def test_a_record_is_read_as_it_was_written(tasks: list[Task]) -> None:
    changes = Changes((Change("1", "r", "k", NOW, tasks),), ("answered",))
    written = json.loads(json.dumps(records.to_document(changes)))
    assert records.from_document(written) == (changes, [])


class TestCatalog:
    INVENTORY = Inventory(
        ENVIRONMENTS[:1],
        [
            Unit("x", "a", "x", "V", "1", execution_units=(ExecutionUnit("sx", "sx"),)),
            Unit("y", "a", "y", "V", "1"),
        ],
    )

    def seen(self) -> Catalog:
        catalog, noticed = Catalog().see(self.INVENTORY, 5.0)
        assert noticed == []  # what was there before anybody looked
        return catalog

    def test_numbers(self) -> None:
        catalog = self.seen()
        assert [k.number for k in catalog.units] == [1, 2]
        assert (catalog.environments, catalog.execution_units) == ({"a": 1}, {"sx": 1})
        gone, _ = catalog.see(Inventory(ENVIRONMENTS[:1], self.INVENTORY.units[1:]), 6.0)
        assert ([k.number for k in gone.units], gone.execution_units) == ([2], {})
        back, _ = gone.see(self.INVENTORY, 7.0)
        assert ([k.number for k in back.units], back.execution_units) == ([2, 3], {"sx": 2})

    def test_a_document_is_read_as_it_was_written(self) -> None:
        catalog = self.seen().requested("sx", "Active").answered("sx", ("FailureOnStart", "why"))
        document = json.loads(json.dumps(catalogs.to_document(catalog)))
        assert catalogs.from_document(document) == (catalog, [])

    def test_numbers_survive_a_damaged_document(self) -> None:
        document = catalogs.to_document(self.seen())
        document |= {"next": "nonsense", "units": [*document["units"], {"key": 1}]}
        catalog, problems = catalogs.from_document(document)
        assert len(problems) == 1
        assert catalog.next == {"ExecEnv": 2, "DeploymentUnit": 3, "ExecutionUnit": 2}

    def test_what_others_change_is_noticed(self) -> None:
        catalog, x = self.seen(), self.INVENTORY.units[0]
        now = Inventory(
            ENVIRONMENTS[:1], [dataclasses.replace(x, version="2"), Unit("z", "a", "z", "V", "1")]
        )
        catalog, noticed = catalog.see(now, 9.0)
        assert [(n.operation, n.known.name) for n in noticed] == [
            ("Update", "x"),
            ("Install", "z"),
            ("Uninstall", "y"),
        ]
        assert catalog.see(now, 10.0)[1] == []

    def test_what_we_change_is_not(self) -> None:
        now = Inventory(ENVIRONMENTS[:1], [*self.INVENTORY.units, Unit("z", "a", "z", "V", "1")])
        catalog, noticed = self.seen().see(now, 9.0, ours={("a", "z")})
        assert noticed == []
        assert catalog.find("a", "z") is None
