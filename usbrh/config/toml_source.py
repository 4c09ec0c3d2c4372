"""A TOML file whose errors name the line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usbrh.errors import ConfigError

_LARGEST = 1 << 20  # bytes; a real one has a few hundred


class TomlSource:
    """One file's text: its tables, and the line that a key stands in.

    Raises:
        ConfigError: it can't be read, is larger than 1 MiB, or not UTF-8.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.text = "" if path is None else _read(path)

    def tables(self) -> dict[str, Any]:
        """What tomllib makes of it.

        Raises:
            ConfigError: it is not TOML.
        """
        if not self.text:
            return {}
        import tomllib  # noqa: PLC0415  # slow to import, and only wanted where there is a file

        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            where = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
            line = where[1] if where and where[1] else str(self.text.count("\n") + 1)
            words = str(error)[: where.start()] if where else str(error)
            raise ConfigError(f"{self.path}, line {line}: not TOML: {words[:1].lower()}{words[1:]}") from None
        except RecursionError:
            raise ConfigError(f"{self.path}: not TOML that can be read: nested too deeply") from None
        except ValueError as error:  # a number of more digits than Python reads
            raise ConfigError(f"{self.path}: not TOML that can be read: {error}") from None

    def where(self, key: tuple[str, ...]) -> str:
        """The file, and the line of ``key`` or of the nearest table around it."""
        lines = list(self._keys())
        for length in range(len(key), 0, -1):
            for found, line in lines:
                if found[:length] == key[:length]:
                    return f"{self.path}, line {line}"
        return str(self.path)

    def error(self, key: tuple[str, ...], words: str) -> ConfigError:
        """The error that says where ``key`` stands."""
        return ConfigError(f"{self.where(key)}: {words}")

    def _keys(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Each key and header with its line. Only for messages: tomllib, which decides, keeps no lines."""
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
    import tomllib  # noqa: PLC0415  # as above

    try:
        value: Any = tomllib.loads(line)
    except ValueError:
        return path
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        path += (name,)
    return path


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(f"{path}: too large for a configuration; it may have 1 MiB")
        return content.decode("utf-8-sig")  # editors of Windows begin a file with a mark that TOML does not know
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; iconv -t UTF-8 converts a file") from None
    except PermissionError:
        raise ConfigError(
            f"{path}: can't be read by this user; run it with sudo, or see who may: sudo namei -l {path}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: can't be read: {reason}; see ls -l {path}") from None
