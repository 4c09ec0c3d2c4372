"""A TOML file whose errors name the line."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from usbrh.errors import ConfigError
from usbrh.system.files import read_regular

_MAX_BYTES = 1 << 20  # a real configuration has a few hundred bytes
_DEPTH = 3  # sensor, port, key: no key of the configuration has more parts


class TomlSource:
    """The text of one file, its tables, and the line of each key. Without a path it has no tables.

    Raises:
        ConfigError: The file can't be read, is larger than 1 MiB, or is not UTF-8.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.text = "" if path is None else read_text(path)

    def tables(self) -> dict[str, Any]:
        """Parse the text with tomllib.

        Raises:
            ConfigError: The text is not valid TOML.
        """
        if not self.text:
            return {}
        import tomllib  # noqa: PLC0415 - slow to import, and needed only if there is a file

        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            where = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
            line = where[1] if where and where[1] else str(self.text.count("\n") + 1)
            words = str(error)[: where.start()] if where else str(error)
            raise ConfigError(f"{self.path}, line {line}: invalid TOML: {words[:1].lower()}{words[1:]}") from None
        except RecursionError:
            raise ConfigError(f"{self.path}: invalid TOML: nested too deeply") from None
        except ValueError as error:  # a number with more digits than Python converts
            raise ConfigError(f"{self.path}: invalid TOML: {error}") from None

    def where(self, key: tuple[str, ...]) -> str:
        """Return the file and the line of ``key``, or of the nearest table that contains it."""
        for length in range(len(key), 0, -1):
            line = self._lines.get(key[:length])
            if line:
                return f"{self.path}, line {line}"
        return str(self.path)

    def error(self, key: tuple[str, ...], message: str, *, remedy: str | None = None) -> ConfigError:
        """Return an error whose message starts with the file and the line of ``key``."""
        return ConfigError(f"{self.where(key)}: {message}", remedy=remedy)

    @cached_property
    def _lines(self) -> Mapping[tuple[str, ...], int]:
        """The first line of each key and table. It is built once: a search per key would make loading quadratic."""
        lines: dict[tuple[str, ...], int] = {}
        for found, line in self._keys():
            for length in range(1, min(len(found), _DEPTH) + 1):
                lines.setdefault(found[:length], line)
        return lines

    def _keys(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Find each key and header with its line. tomllib keeps no line numbers, so messages need this second scan."""
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[[^]\"]*(?:\"[^\"]*\"[^]\"]*)*\]+", line)
            key = re.match(r"(?:[\w.\s-]|\"[^\"]*\"|'[^']*')+=", line)
            if header:
                table = _path_of(header[0])
                yield table, number
            elif key:
                yield (*table, *_path_of(f"{key[0]}0")), number


def _path_of(line: str) -> tuple[str, ...]:
    path: tuple[str, ...] = ()
    import tomllib  # noqa: PLC0415 - as above

    try:
        value: Any = tomllib.loads(line)
    except ValueError:
        return path
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        path += (name,)
    return path


def read_text(path: Path) -> str:
    """Read a configuration file of up to 1 MiB, without the byte order mark that Windows editors write.

    Raises:
        ConfigError: The file can't be read, is not a regular file, is larger, or is not UTF-8.
    """
    try:
        content = read_regular(path, _MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"{path}: too large for a configuration file (limit: 1 MiB)")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8", remedy="convert the file with iconv -t UTF-8") from None
    except PermissionError:
        remedy = f"use sudo, or check the permissions: sudo namei -l {path}"
        raise ConfigError(f"{path}: can't be read by this user", remedy=remedy) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: can't be read: {reason}", remedy=f"see: ls -l {path}") from None
