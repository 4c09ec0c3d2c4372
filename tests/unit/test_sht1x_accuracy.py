"""docs/accuracy.md and docs/background.md: the tables are true, and the other programs' arithmetic is really theirs."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.peers import PEERS, Peer

Measured = list[tuple[Peer, accuracy.Errors]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return accuracy.measure()


def peer(name: str) -> Peer:
    return next(peer for peer in PEERS if peer.name.startswith(name))


def test_the_documents_are_not_stale(measured: Measured) -> None:
    assert not accuracy.stale_documents(measured), "python -m benchmarks.accuracy"


def test_a_changed_table_is_found(measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("accuracy.md", "accuracy.ja.md", "background.md", "background.ja.md"):
        text = (accuracy.DOCS / name).read_text(encoding="utf-8")
        text = text.replace("| 31.69 / 42.85 |", "| 31.69 / 42.86 |", 1)
        (tmp_path / name).write_text(text.replace("| 300 | 7.90 |", "| 300 | 7.91 |"), encoding="utf-8")
    monkeypatch.setattr(accuracy, "DOCS", tmp_path)
    stale = accuracy.stale_documents(measured)
    assert [path.name for path in stale] == ["accuracy.md", "accuracy.ja.md", "background.md", "background.ja.md"]
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
    assert not accuracy.stale_documents(measured)


def test_ours_is_the_sheet(measured: Measured) -> None:
    for program, errors in measured[:2]:
        assert program.name.startswith("**usbrh**")
        assert max(errors.celsius, errors.humidity, errors.room) < 1e-9


@pytest.mark.parametrize(
    ("name", "room", "cold_store"),
    [
        ("osapon", "25.00 / 47.20", "-1.60 / 90.28"),
        ("tadokoro", "25.00 / 50.45", "-1.60 / 89.85"),
        ("stzlab", "24.90 / 49.41", "-1.70 / 99.06"),
        ("higuchi", "25.00 / 42.05", "-1.60 / 84.43"),
        ("kimata", "25.00 / 56.00", "-1.60 / 123.73"),
    ],
)
def test_what_the_programs_printed_when_they_were_run(name: str, room: str, cold_store: str) -> None:
    """Built from their public sources, in front of an emulated sensor (Debian 12, kernel 6.1, x86)."""
    assert accuracy.printed(peer(name), 1500, 6500) == room
    assert accuracy.printed(peer(name), 3200, 3840) == cold_store


@pytest.mark.parametrize(("name", "celsius"), [("tadokoro", 615.35), ("stzlab", 615.25), ("higuchi", -42.57)])
def test_what_they_made_of_a_report_of_ones(name: str, celsius: float) -> None:
    """Seen in the same runs; it shows that signed bytes are modelled as they are."""
    assert float(peer(name).celsius(np.array([0xFFFF]))[0]) == pytest.approx(celsius, abs=0.005)


def test_kimata_wraps_as_it_was_seen_to() -> None:
    assert accuracy.printed(peer("kimata"), 0, 0xFFFF).startswith("78.47 ")


def test_the_maker_computes_what_we_do_by_default() -> None:
    for so_rh, so_t in accuracy.TICKS:
        by_dll = accuracy.printed(peer("m24o8l"), so_rh, so_t)
        assert by_dll == accuracy.printed(accuracy.ours("v3"), so_rh, so_t)
