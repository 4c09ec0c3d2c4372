"""Help, and the errors of a command line that usbrh does not understand."""

import re

import pytest

from tests.support.command import usbrh
from usbrh.cli import COMMANDS, GROUPS


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]], ids=str)
def test_help_lists_the_commands_in_groups(words: list[str]) -> None:
    done = usbrh(*words)
    assert (done.returncode, done.stderr) == (0, "")
    headings = re.findall(r"^(\w+):$", done.stdout, re.MULTILINE)
    assert headings == ["Options", *GROUPS] == ["Options", "Sensors", "History", "Zabbix", "System", "Testing"]
    assert [*COMMANDS] == re.findall(r"^  ([a-z]\w*)  ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("group", ["zabbix", "journal", "heater", "agent"])
def test_a_group_alone_prints_its_help_with_whole_sentences(group: str) -> None:
    done = usbrh(group, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "..." not in done.stdout.partition("Commands:")[2]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_of_a_command() -> None:
    assert usbrh("help", "read").stdout == usbrh("read", "--help").stdout
    assert usbrh("help", "zabbix", "template").stdout == usbrh("zabbix", "template", "--help").stdout
    manual = usbrh("help", "zabbix").stdout
    assert manual.startswith(usbrh("zabbix", "--help").stdout)
    assert usbrh("zabbix", "provision", "--help").stdout in manual


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("raed", 'there is no command "raed"; did you mean read?'),
        ("zabbix provison", 'there is no command "provison"; did you mean provision?'),
        ("xyzzy", 'there is no command "xyzzy"; see: usbrh --help'),
        ("help raed", 'there is no command "raed"; did you mean read?'),
        ("help read all", "usbrh read has no subcommands; see: usbrh help --help"),
        ("read --jsn", 'there is no option "--jsn"; did you mean --json?'),
        ("--debg list", 'there is no option "--debg"; did you mean --debug?'),
        ("--debug", "a command is missing; see: usbrh --help"),
        ("list x", "unexpected argument: x; see: usbrh list --help"),
        ("watch --interval", "--interval needs a value; see: usbrh watch --help"),
        ("zabbix provision --host", "--host needs a value; see: usbrh zabbix provision --help"),
        ("--config", "--config needs a value; see: usbrh --help"),
        ("list --json=3", "--json does not accept a value; see: usbrh list --help"),
        ("led", "the argument 1|2 is missing; see: usbrh led --help"),
        ("led 1", "the argument STATE is missing: off, on, blink; see: usbrh led --help"),
        ("simulate", "the option --usbip is missing; see: usbrh simulate --help"),
        (
            "calibrate --temperature 500",
            "--temperature: 500.0 is not in the range -40<=x<=124; see: usbrh calibrate --help",
        ),
        (
            "zabbix provision --method x",
            "--method: 'x' is not one of 'trapper', 'agent', 'agent-active'; see: usbrh zabbix provision --help",
        ),
    ],
)
def test_a_wrong_call_is_one_line(words: str, says: str) -> None:
    done = usbrh(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"usbrh: {says}\n"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("-V", "--version"),
        ("-c /nonexistent list", "--config /nonexistent list"),
        ("list -c /nonexistent", "list --config /nonexistent"),
        ("list -j", "list --json"),
        ("setup -n", "setup --dry-run"),
    ],
)
def test_short_options_mean_what_they_mean_elsewhere(short: str, long: str) -> None:
    one, other = (usbrh(*words.split(), USBRH_SIMULATE="1") for words in (short, long))
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
    assert "no option" not in one.stderr


@pytest.mark.parametrize("words", ["-v read", "read -v"])
def test_v_shows_debug_messages(words: str) -> None:
    assert usbrh(*words.split(), USBRH_SIMULATE="1").stderr.startswith("usbrh.drivers.usbrh1: sim-1: answered ")
