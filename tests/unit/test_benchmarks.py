"""The figures of ``make bench``, and how they are compared."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.figures import Figure, Unavailable, interleaved, table
from tests.support.documents import TOP

FASTER = Figure(
    *("drain", ("what", "項目"), "values/s", [110, 1210, 90], ("peer", "比較対象"), [100, 1000, 100]), ratio_aim=1.1,
    more_is_better=True,
)  # fmt: skip
SMALLER = Figure("size", ("size", "サイズ"), "MB", [1, 2, 3], ("one", "1 つ"), [1, 1, 1], own_aim=2)


def test_ratio_is_the_median_of_the_runs() -> None:
    assert FASTER.ratios == [1.1, 1.21, 0.9]
    assert FASTER.ratio == 1.1
    assert not FASTER.missed
    assert FASTER.row(0) == "| what | 110 values/s | peer: 100 values/s | 1.10 (0.90 – 1.21) | ≥ 1.1 |"


def test_missed_aim_is_shown() -> None:
    assert not SMALLER.missed
    assert replace(SMALLER, ours=[3, 2, 3]).missed
    assert replace(FASTER, ours=[100, 1000, 90]).missed
    assert replace(SMALLER, ours=[3, 2, 3]).row(1).endswith("| ≤ 2 MB **未達** |")


def test_table_has_headings_in_both_languages() -> None:
    english, japanese = (table([FASTER], language).splitlines() for language in range(2))
    assert english[0] == "| | usbrh | peer | ratio (spread) | aim |"
    assert japanese[0] == "| | usbrh | 比較対象 | 比（範囲） | 目標 |"
    assert english[1] == japanese[1]
    assert len(english) == len(japanese)


def test_interleaved_measures_in_turn_after_a_round_for_caches() -> None:
    order: list[int] = []

    def note(index: int) -> float:
        order.append(index)
        return float(len(order))

    assert interleaved(2, lambda: note(0), lambda: note(1)) == [[3, 6], [4, 5]]
    assert order == [0, 1, 0, 1, 1, 0]


def test_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = tmp_path / "ratios.json"
    monkeypatch.setattr(bench, "RATIOS", committed)
    committed.write_text(json.dumps({"module": {"drain": 1.46, "size": 1.61}}))
    assert list(bench.losses("module", [FASTER, SMALLER])) == []
    committed.write_text(json.dumps({"module": {"drain": 1.48, "size": 1.59}}))
    assert list(bench.losses("module", [FASTER, SMALLER])) == [
        "drain: 1.100, but 1.480 in ratios.json",
        "size: 2.000, but 1.590 in ratios.json",
    ]
    assert list(bench.losses("module", [FASTER])) == ["drain: 1.100, but 1.480 in ratios.json", "size: not measured"]
    assert list(bench.losses("another", [FASTER])) == []


def test_nothing_is_written_if_the_machine_lacks_something(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> None:
        raise Unavailable("no Zabbix")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.starting.measure", measure)
        assert bench.measure("starting") == []
    assert capsys.readouterr().err == "starting: not measured: no Zabbix\n"


@pytest.mark.parametrize("name", ["benchmarks.md", "benchmarks.ja.md"])
def test_every_module_has_its_place_in_the_document(name: str) -> None:
    text = (TOP / "docs" / name).read_text(encoding="utf-8")
    assert [module for module in bench.MODULES if f"<!-- {module} -->\n" not in text] == []
