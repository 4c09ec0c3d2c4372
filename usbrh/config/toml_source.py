"""A TOML file whose errors name the line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usbrh.errors import ConfigError

_MAX_BYTES = 1 << 20  # a real configuration has a few hundred bytes


class TomlSource:
    """The text of one file, its tables, and the line of each key. Without a path it has no tables.

    Raises:
        ConfigError: The file can't be read, is larger than 1 MiB, or is not UTF-8.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        # Windows editors write a byte order mark, which TOML does not allow.
        self.text = "" if path is None else read_text(path, "utf-8-sig")

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
        lines = list(self._keys())
        for length in range(len(key), 0, -1):
            for found, line in lines:
                if found[:length] == key[:length]:
                    return f"{self.path}, line {line}"
        return str(self.path)

    def error(self, key: tuple[str, ...], message: str, *, remedy: str | None = None) -> ConfigError:
        """Return an error whose message starts with the file and the line of ``key``."""
        return ConfigError(f"{self.where(key)}: {message}", remedy=remedy)

    def _keys(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Find each key and header with its line. tomllib keeps no line numbers, so messages need this second scan."""
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[[^]\"]*(?:\"[^\"]*\"[^]\"]*)*\]+", line)
            key = re.match(r"\s*(?:[\w.\s-]|\"[^\"]*\"|'[^']*')+=", line)
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


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Read a configuration file of up to 1 MiB.

    Raises:
        ConfigError: The file can't be read, is larger, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"{path}: too large for a configuration file (limit: 1 MiB)")
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8", remedy="convert the file with iconv -t UTF-8") from None
    except PermissionError:
        remedy = f"use sudo, or check the permissions: sudo namei -l {path}"
        raise ConfigError(f"{path}: can't be read by this user", remedy=remedy) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: can't be read: {reason}", remedy=f"see: ls -l {path}") from None
