"""Names that are easy to confuse."""

import logging
from pathlib import Path

import pytest

from usbrh.config import load
from usbrh.config.names import confusable_names, log_confusable_names
from usbrh.errors import ConfigError


def messages(tmp_path: Path, *names: str) -> list[str]:
    path = tmp_path / "usbrh.toml"
    path.write_text("".join(f'[sensor."1-{port}"]\nname = "{name}"\n' for port, name in enumerate(names, 1)))
    return list(confusable_names(load(path, {})))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ("room", "Room", "they differ only in letter case"),
        ("STRASSE", "straße", "they differ only in letter case"),
        ("１階", "1階", "they differ only in the form of characters, such as their width"),
        ("ﾘﾋﾞﾝｸﾞ", "リビング", "they differ only in the form of characters, such as their width"),
        ("Ｒoom", "room", "they differ only in the form of characters, such as their width"),
    ],
)
def test_names_that_look_alike(tmp_path: Path, one: str, other: str, difference: str) -> None:
    assert messages(tmp_path, one, "cellar", other) == [
        f'the sensor names "{one}" (1-1) and "{other}" (1-3) are easy to confuse: {difference}'
    ]


@pytest.mark.parametrize(("one", "other"), [("が", "か\u3099"), ("café", "cafe\u0301")])
def test_names_that_only_unicode_writes_differently_are_the_same(tmp_path: Path, one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(ConfigError, match=f'name "{second}" is already the name of sensor "1-1"'):
            messages(tmp_path, first, second)


def test_different_names(tmp_path: Path) -> None:
    assert messages(tmp_path, "room 1", "room 2", "はな", "ばな", "ぱな", "ハナ") == []


def test_a_log_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "usbrh.toml"
    path.write_text('[sensor."1-1"]\nname = "a"\n[sensor.A]\n')
    log_confusable_names(load(path, {}))
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith('the sensor names "a" (1-1) and "A" (A) are easy to confuse')
