"""/etc/config/cwmp: what is wrong is named with option and line, the default is used, nothing crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cwmp.runtime import Config, Paths
from cwmp.runtime.config import LISTS, OPTIONS, Problem, load
from ubuskit.uci import Uci


def read(paths: Paths, text: str) -> tuple[Config, list[Problem]]:
    (paths.uci_dir / "cwmp").write_text(text)
    return load(Uci(paths.uci_dir, paths.uci_save_dir), paths.uci_dir)


def test_the_integrators_guide(paths: Paths) -> None:
    config, problems = read(
        paths,
        """
config cwmp
    option acs_url 'https://acs.example.org:7547/'
    option username 'A1B2C3-GW-0001'
    option password 'open sesame'
    option periodic_inform_enable '1'
    option periodic_inform_interval '3600'
""",
    )
    assert problems == []
    assert config.acs_url == "https://acs.example.org:7547/"
    assert config.password == "open sesame"
    assert config.periodic_inform_interval == 3600
    assert "sesame" not in repr(config)


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("enable", "maybe", "use 1 or 0"),
        ("acs_url", "acs.example.org", "absolute http:// or https:// URL"),
        ("acs_url", "ftp://acs.example.org/", "absolute http:// or https:// URL"),
        ("periodic_inform_interval", "0", "from 1 to 4294967295"),
        ("periodic_inform_interval", "often", "from 1 to 4294967295"),
        ("connection_request_port", "70000", "from 0 to 65535"),
        ("retry_interval_multiplier", "999", "from 1000 to 65535"),
        ("periodic_inform_time", "tomorrow", "dateTime"),
        ("manufacturer_oui", "a1b2c3", "upper-case"),
        ("username", "x" * 257, "at most 256"),
        ("log_level", "loud", "debug, info, warning or error"),
        ("connection_request_path", "a b", "letters, digits"),
        ("interface", "the wan", "UCI network interface"),
        ("http_proxy", "https://proxy/", "http://user:password@host:port/"),
        ("http_proxy", "http://proxy:99999/", "http://user:password@host:port/"),
        ("http_proxy", "http://user@/", "http://user:password@host:port/"),
        ("stun_maximum_keep_alive_period", "-2", "from -1 to"),
        ("heartbeat_interval", "29", "from 30 to 4294967295"),
        ("autonomous_transfer_type", "Neither", "Upload, Download or Both"),
        ("autonomous_transfer_file_types", "1 Firmware Upgrade Image,firmware", "file types like"),
        ("du_state_change_faults", "8001", "fault codes like"),
    ],
)
def test_a_wrong_value_is_reported_with_its_line_and_the_default_used(
    paths: Paths, option: str, value: str, advice: str
) -> None:
    config, problems = read(paths, f"config cwmp\n\n\toption {option} '{value}'\n")
    assert getattr(config, option) == getattr(Config(), option)
    assert len(problems) == 1
    assert problems[0].option == option
    assert f"line 3: option '{option}': " in str(problems[0])
    assert advice in str(problems[0])


def test_an_option_that_does_not_exist(paths: Paths) -> None:
    _, problems = read(paths, "config cwmp\n\toption acs_ulr 'http://a/'\n")
    assert str(problems[0]) == "/etc/config/cwmp: line 2: there is no option 'acs_ulr': ignored"


def test_a_list_where_an_option_belongs(paths: Paths) -> None:
    config, problems = read(paths, "config cwmp\n\tlist acs_url 'http://a/'\n")
    assert config.acs_url == ""
    assert "is a list" in str(problems[0])


def test_a_missing_file_is_said(paths: Paths) -> None:
    config, problems = load(Uci(paths.uci_dir, paths.uci_save_dir), paths.uci_dir)
    assert config == Config()
    assert "missing" in str(problems[0])


def test_a_file_that_does_not_parse_stops_everything_and_says_where(paths: Paths) -> None:
    config, problems = read(paths, "config cwmp\n\toption acs_url 'http://a/\n")
    assert not config.enable
    assert "cannot be read" in str(problems[0])


def test_what_was_known_holds_while_the_file_cannot_be_read(paths: Paths) -> None:
    (paths.uci_dir / "cwmp").write_text("config cwmp\n\toption acs_url 'http://a/\n")
    known = Config(acs_url="http://known/")
    config, problems = load(Uci(paths.uci_dir, paths.uci_save_dir), paths.uci_dir, known)
    assert config is known
    assert "what it said before holds" in str(problems[0])


def test_a_file_of_another_kind(paths: Paths) -> None:
    config, problems = read(paths, "config acs 'acs'\n\toption url 'http://a/'\n")
    assert config == Config()
    assert "no section of type cwmp" in str(problems[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("list {} 'Install'\n\tlist {} 'Update'", ("Install", "Update")),
        ("option {} 'Install, Update'", ("Install", "Update")),
        ("option {} 'Install Update'", ("Install", "Update")),
        ("option {} 'Install'", ("Install",)),
    ],
)
def test_lists_in_every_way_uci_can_write_them(paths: Paths, text: str, expected: tuple[str, ...]) -> None:
    text = text.replace("{}", "du_state_change_operations")
    config, problems = read(paths, f"config cwmp\n\t{text}\n")
    assert (config.du_state_change_operations, problems) == (expected, [])


def test_a_file_type_is_one_item(paths: Paths) -> None:
    text = "config cwmp\n\tlist autonomous_transfer_file_types '1 Firmware Upgrade Image'\n"
    config, problems = read(paths, text)
    assert (config.autonomous_transfer_file_types, problems) == (("1 Firmware Upgrade Image",), [])


def test_every_option_has_a_field_and_its_default_is_valid() -> None:
    for option, convert in OPTIONS.items():
        default = getattr(Config(), option)
        if isinstance(default, bool):
            text = "1" if default else "0"
        else:
            text = ",".join(default) if option in LISTS else str(default)
        assert convert(text) == default


def test_the_readme_explains_every_option() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    table = [line for line in readme.splitlines() if line.startswith("| `")]
    assert [option for option in OPTIONS if not any(f"`{option}`" in line for line in table)] == []
