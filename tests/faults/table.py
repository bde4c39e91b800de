"""The faults, what must hold in each, and the tests that show it: those beside this file, and those of the parts."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """`tests`: files, or tests in them without their parameters, below ``tests``."""

    fault: str
    holds: str
    tests: tuple[str, ...]


_KILL = "lab/test_kill.py::"
_BAD = "lab/test_bad_acs.py::"

TABLE = (
    Row("ACS: dead", "named; found again", ("faults/test_acs.py::test_a_dead_acs_is_named_and_found_again",)),
    Row(
        "ACS: slow, silent",
        "every wait ends; methods answer meanwhile",
        (
            f"{_BAD}test_while_an_acs_hangs_the_service_answers",
            "session/test_http.py::test_a_silent_acs_is_waited_for_so_long",
            "session/test_http.py::test_a_response_that_drips_is_waited_for_as_a_whole",
            "session/test_http.py::test_an_acs_that_takes_our_message_in_drips",
        ),
    ),
    Row(
        "ACS: wrong (HTML, 4xx, 5xx, garbage)",
        "named; events come again; same processes",
        (
            f"{_BAD}test_each_kind_of_nonsense_is_named_and_survived",
            f"{_BAD}test_the_first_contact_is_made_however_long_it_takes",
            "session/test_bad_input.py",
        ),
    ),
    Row(
        "ACS: hostile",
        "costs its session only",
        ("faults/test_acs.py::test_a_hostile_acs_takes_nothing_but_its_session",),
    ),
    Row(
        "a service killed: reading, setting, attributes",
        "answered; set once",
        ("faults/test_killed.py::test_a_request_survives",),
    ),
    Row(
        "a service killed: objects added, deleted",
        "done once",
        (f"{_KILL}test_an_object_is_added_once", "faults/test_killed.py::test_an_object_is_deleted_once"),
    ),
    Row(
        "a service killed: transfers",
        "run once, reported once",
        (
            f"{_KILL}test_a_download_runs_once",
            f"{_KILL}test_a_transfer_cut_off_is_reported_once_and_flashed_at_most_once",
            "faults/test_killed.py::test_an_upload_is_reported_once",
            "firmware/test_firmware_cut_off.py",
            "firmware/modules/test_modules_cut_off.py",
        ),
    ),
    Row(
        "a service killed: reboot, factory reset",
        "done once, reported once",
        (f"{_KILL}test_reboot_happens_once", f"{_KILL}test_a_factory_reset_happens_once"),
    ),
    Row("a service killed: diagnostics", "one report", (f"{_KILL}test_diagnostics_end_with_one_report",)),
    Row(
        "a service killed: after an answer",
        "what was acknowledged stays",
        (f"{_KILL}test_what_was_acknowledged_stays", "session/test_killed.py"),
    ),
    Row(
        "power cut, at every write",
        "the old state or the new one",
        (
            "session/test_cut_off.py",
            "datamodel/test_power_cut.py",
            "lab/test_rollback.py",
            f"{_KILL}test_the_power_may_go_in_the_middle_of_a_session",
        ),
    ),
    Row(
        "bus: killed and restarted",
        "the session goes on; done once",
        (
            f"{_KILL}test_the_bus_may_be_killed_in_the_middle_of_a_session",
            "faults/test_bus.py::test_a_bus_that_is_killed_while_an_object_is_added",
            "faults/test_bus.py::test_a_bus_that_goes_between_sessions_again_and_again",
            "bindings/test_client_reconnect.py",
        ),
    ),
    Row(
        "bus: 1 MiB queue overflows",
        "asked again, done once; nobody is held up",
        (
            "faults/test_bus.py::test_somebody_who_does_not_read_holds_nobody_up",
            "faults/test_bus.py::test_what_a_full_queue_has_dropped_is_sent_again",
            "faults/test_bus.py::test_a_service_that_stands_still_for_a_while",
            "bindings/test_broker_bus.py::test_what_a_sleeper_cannot_take_is_dropped_and_counted",
        ),
    ),
    Row(
        "flash: full, read-only, I/O errors",
        "refused, named, not done; heals",
        (
            "faults/test_flash.py",
            "bindings/test_uci_apply.py::test_an_error_before_the_decision_changes_nothing",
            "firmware/test_firmware_time.py::test_without_a_durable_record_nothing_is_promised_and_nothing_is_done",
            "firmware/test_fetch.py::test_a_disk_that_is_full_all_of_a_sudden",
            "diagnostics/test_diagnostics_service.py::test_what_cannot_be_recorded_is_not_promised",
        ),
    ),
    Row("state files: garbage", "set aside, named", ("lab/test_bad_files.py",)),
    Row(
        "clock: forth, back, unset",
        "delays, windows, schedules hold",
        (
            "session/test_schedule.py",
            "session/test_scheduled.py",
            "session/test_planned.py",
            "firmware/test_firmware_time.py::test_p30_three_transfers_over_a_clock_jump_and_a_reboot",
            "firmware/test_firmware_time.py::test_windows_over_a_clock_jump_and_a_reboot",
            "faults/test_clock.py",
        ),
    ),
    Row(
        "no descriptors",
        "refused or failed, named; same process works again",
        (
            "faults/test_limits.py::test_a_session_without_descriptors_fails_and_is_made_up_for",
            "faults/test_limits.py::test_others_without_descriptors_refuse_and_work_again",
        ),
    ),
    Row(
        "no memory",
        "ends, named, is started again; made up for",
        (
            "faults/test_limits.py::test_a_datamodel_without_memory_is_started_again_and_asked_again",
            "faults/test_limits.py::test_a_session_without_memory_fails_and_is_made_up_for",
        ),
    ),
)
