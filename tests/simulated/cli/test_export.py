"""``usbrh journal export``: parts of the journal, files, times."""

import csv
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.command import usbrh
from usbrh.journal import queries
from usbrh.journal.reader import JournalReader
from usbrh.journal.rows import ENTRY, Entry, Timing
from usbrh.journal.store import Journal
from usbrh.journal.timing import rewrite
from usbrh.reading import Reading

START = 1_792_886_400  # 2026-10-25 00:00 UTC
A = "zabbix.example:10051"


def reading(number: int, sensor: str) -> Reading:
    return Reading(sensor, f"port-{sensor}", "USB-RH", (START + number * 60) * 10**9, 20.0 + number, 50.0)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with Journal(path) as opened:
        opened.sync_destinations([A])
        ids = opened.add([reading(number, sensor) for number in range(10) for sensor in ("attic", "cellar")])
        opened.acknowledge(A, ids[:10], {ids[10]: "no item"})
    return path


def export(journal: Path, *words: str, **environ: str) -> CompletedProcess[str]:
    return usbrh("journal", "export", *words, timeout=30, USBRH_JOURNAL_PATH=str(journal), **{"TZ": "UTC", **environ})


def minutes(done: CompletedProcess[str]) -> list[tuple[str, str]]:
    assert (done.returncode, done.stderr) == (0, "")
    return [(row["sensor"], row["time"][14:16]) for row in csv.DictReader(done.stdout.splitlines())]


def test_a_part(journal: Path) -> None:
    part = ["--since", "2026-10-25 00:03", "--until", "2026-10-25 00:05"]
    expected = [("attic", "03"), ("cellar", "03"), ("attic", "04"), ("cellar", "04")]
    assert minutes(export(journal, *part)) == expected
    assert minutes(export(journal, *part, "cellar")) == expected[1::2]
    assert minutes(export(journal, *part, "port-attic", "cellar")) == expected
    assert minutes(export(journal, "--since", "2026-10-25T09:09+09:00")) == [("attic", "09"), ("cellar", "09")]
    assert minutes(export(journal, "--since", "2026-10-25 02:09", TZ="Europe/Berlin"))[0] == ("attic", "09")
    assert minutes(export(journal, "--until", "2026-10-25")) == []


def test_a_part_counts_the_readings_without_a_known_time(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as db, db:
        for entry in map(Entry.from_row, db.execute(f"SELECT {ENTRY} FROM reading WHERE id IN (1, 2, 3)").fetchall()):
            rewrite(db, entry.at(entry.time_ns, Timing.UNKNOWN))
    done = export(journal, "--since", "2026-10-25", "cellar")
    assert len(done.stdout.splitlines()) == 1 + 9
    left_out = "usbrh: 1 reading without a known time left out; to see it, omit --since and --until\n"
    assert (done.returncode, done.stderr) == (0, left_out)
    assert "2 readings without" in export(journal, "--until", "2026-10-26", "attic", "-o", os.devnull).stderr
    whole = export(journal)
    assert (len(whole.stdout.splitlines()), whole.stderr) == (1 + 20, "")


def test_states_are_those_of_the_whole_export(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 3)
    reader = JournalReader(journal)
    whole = list(reader.export())
    assert len(whole) == 20
    assert {states[A].state for _, states in whole} == {"delivered", "rejected", "waiting"}
    assert list(reader.export(since_ns=0)) == whole
    assert list(reader.export(sensors=["cellar"])) == [each for each in whole if each[0].sensor == "cellar"]
    assert list(reader.export(until_ns=reading(5, "").time_ns)) == whole[:10]


def test_a_file(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    file.write_text("old\n" * 10_000)
    done = export(journal, "-o", str(file), "--csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert file.read_text() == export(journal).stdout
    export(journal, "--json", "-o", str(file), "attic")
    assert [json.loads(line)["sensor"] for line in file.read_text().splitlines()] == ["attic"] * 10


def test_times(journal: Path) -> None:
    rows = csv.DictReader(export(journal, "--local", TZ="Europe/Berlin").stdout.splitlines())
    assert next(rows)["time"] == "2026-10-25T02:00:00.000000000+02:00"
    rows = csv.DictReader(export(journal, "--time-format", "%d.%m. %H:%M", TZ="Europe/Berlin").stdout.splitlines())
    assert next(rows)["time"] == "25.10. 00:00"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["garage"], 3, "the journal has no readings of 'garage'; choose one of: attic, cellar"),
        (["--csv", "--json"], 2, "--json and --csv exclude each other"),
        (["--json", "--local"], 2, "--local and --json exclude each other"),
        (["--since", "1h", "--until", "2h"], 2, "--until must be after --since"),
        (["-o", "/no/folder/a.csv"], 2, "can't write /no/folder/a.csv: No such file or directory; "),
    ],
)
def test_errors_are_one_line(journal: Path, words: list[str], status: int, message: str) -> None:
    done = export(journal, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"usbrh: {message}")
    assert done.stderr.count("\n") == 1


def test_the_journal_is_not_replaced_by_its_export(journal: Path) -> None:
    before = journal.read_bytes()
    (journal.parent / "link").symlink_to(journal)
    (journal.parent / "name").hardlink_to(journal)
    parts = [journal.with_name(journal.name + suffix) for suffix in ("", "-wal", "-shm", ".lock")]
    for file in (*parts, journal.parent / "link", journal.parent / "name"):
        done = export(journal, "-o", str(file))
        assert (done.returncode, done.stderr) == (
            2,
            f"usbrh: {file} is the journal itself, or a part of it; set another file with -o\n",
        )
    assert journal.read_bytes() == before


def test_a_journal_that_can_not_be_read_leaves_the_file_as_it_was(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    file.write_text("old\n")
    os.truncate(journal, 5000)
    assert export(journal, "-o", str(file)).returncode == 1
    assert file.read_text() == "old\n"


@pytest.mark.parametrize("command", ["usbrh journal export", "usbrh plot"])
def test_a_shell_completes_the_sensors_of_the_journal(journal: Path, command: str) -> None:
    environ = {
        "COMP_WORDS": f"{command} c",
        "COMP_CWORD": str(len(command.split())),
        "USBRH_JOURNAL_PATH": str(journal),
    }
    done = usbrh(timeout=30, _USBRH_COMPLETE="bash_complete", **environ)
    assert done.stdout == "plain,cellar\n"
    environ["USBRH_JOURNAL_PATH"] = str(journal.parent / "none.db")
    done = usbrh(timeout=30, _USBRH_COMPLETE="bash_complete", **environ)
    assert (done.stdout.strip(), done.stderr) == ("", "")
