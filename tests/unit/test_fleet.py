"""The calculations and tables of ``benchmarks.fleet``."""

import subprocess
import sys

import pytest

from benchmarks import processes
from benchmarks.figures import LANGUAGES
from benchmarks.fleet_tables import Killed, Load, Outcome, compare, tables
from benchmarks.processes import Used
from tests.support.documents import TOP
from usbrh.clock import NS

OUTCOME = Outcome(1500, frozenset(), 0, [0.25, 0.5, 1, 2.5])
LOST = Outcome(3000, frozenset({("fleet-0001", 5 * NS), ("fleet-0002", 7 * NS)}), 1, [0.25, 0.5, 31])
PARTS = (
    Used(0.9, 0.5, "data sender"),
    Used(0.8, 0.4, "data sender"),
    Used(4.5, 2.5, "history syncer"),
    Used(3, 1.5, "zabbix zabbix"),
)
LOADED = Load(60, 90, 1000, OUTCOME, 18_000, 3.6, PARTS)
KILLED = Killed(1000, 500, 33.4, LOST, LOST, OUTCOME)


def test_readings_are_compared_with_the_history() -> None:
    measured = [("a", 1 * NS), ("a", 2 * NS), ("b", 1 * NS), ("b", 3 * NS)]
    rows = [("a", 1 * NS, 1.5), ("a", 2 * NS, 4.0), ("a", 2 * NS, 4.0), ("b", 1 * NS, 2.25)]
    outcome = compare(measured, rows)
    assert outcome == Outcome(4, frozenset({("b", 3 * NS)}), 1, [0.5, 1.25, 2.0])
    assert outcome.lost == 1


def test_a_row_that_is_no_reading_counts_as_twice() -> None:
    assert compare([("a", 1)], [("a", 1, 1.0), ("a", 2, 1.0)]).twice == 1


@pytest.mark.parametrize(("part", "delay"), [(0, 1), (0.5, 51), (0.99, 100), (1, 100)])
def test_delay_that_a_part_of_the_readings_does_not_exceed(part: float, delay: float) -> None:
    assert Outcome(100, frozenset(), 0, range(1, 101)).delay(part) == delay


def test_cores_grow_with_the_hosts() -> None:
    assert LOADED.cores(2) == 0.05
    assert LOADED.cores(2, 100_000) == pytest.approx(5)
    assert LOADED.limit == 2


def test_tables_name_the_limit_and_what_is_extrapolated() -> None:
    english = tables(LOADED, KILLED, 120, "A machine.", 0)
    assert "| two proxies | 1,500 | 0 | 0 | 1.00 s | 2.50 s | 2.50 s |" in english["fleet-arrival"]
    assert "| proxy group, one proxy killed | 3,000 | 2 | 1 |" in english["fleet-arrival"]
    assert "1,000 hosts, of which the killed proxy had 500. 33 s after the kill" in english["fleet-arrival"]
    assert "| server | 5.00 % | 3.00 ms | `history syncer` | 2.78 % |" in english["fleet-load"]
    assert "The limit is the server: it needs 5.00 % of a core for 1,000 hosts every 60 s." in english["fleet-load"]
    assert "one core is enough for 20,000 hosts" in english["fleet-load"]
    assert "A machine." in english["fleet-load"]
    assert "| 100,000 | 1,667 | 20,000 | 1.89 | 5.00 | 3.33 | 207 GB |" in english["fleet-plan"]
    assert "**Extrapolated**" in english["fleet-plan"]


def test_tables_have_the_same_figures_in_both_languages() -> None:
    both = [tables(LOADED, KILLED, 120, "A machine.", index) for index in range(len(LANGUAGES))]
    for place in both[0]:
        shapes = [[line.count("|") for line in each[place].splitlines()] for each in both]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["scale.md", "scale.ja.md"])
def test_every_table_has_its_place_in_the_document(name: str) -> None:
    text = (TOP / "docs" / name).read_text(encoding="utf-8")
    places = tables(LOADED, KILLED, 120, "A machine.", 0)
    assert [place for place in places if f"<!-- {place} -->\n" not in text or f"<!-- /{place} -->" not in text] == []


def test_used_is_the_difference_of_each_thread() -> None:
    before = {(1, 1): ("main", 2.0), (1, 0): ("main", 1.0), (2, 2): ("trapper", 5.0)}
    after = {(1, 1): ("main", 2.5), (1, 0): ("main", 4.0), (2, 2): ("trapper", 6.0), (3, 3): ("new", 0.25)}
    assert processes.used(before, after) == Used(4.75, 1.0, "trapper")


def test_a_snapshot_has_the_children_of_a_process() -> None:
    spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(flush=True)"
    command = [sys.executable, "-c", f"{spin}\ninput()"]
    wrapper = ["sh", "-c", '"$@"; exit', "-", *command]  # not replaced by its child
    with subprocess.Popen(wrapper, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = processes.snapshot(process.pid)
        assert process.stdout
        process.stdout.readline()
        spent = processes.used(before, processes.snapshot(process.pid))
        process.communicate(b"\n")
    assert 0.25 <= spent.busiest <= spent.seconds
    assert spent.title == "main"
