"""Tables of a TOML file, read strictly: what is not expected there is an error, and says where and what to do.

Owns how a setting is asked for and what an error says: the key with its table, the line, what is wrong, what to write.
Knows nothing of what the settings mean.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+|\"[^\"]+\"|'[^']+')\s*=")
_KINDS: dict[type, str] = {str: "text", bool: "true or false", list: "a list", dict: "a table"}
_REQUIRED: Any = object()


class BadRules(Exception):
    """The file cannot be gone by. The text says where, why, and what to write instead."""


class Table:
    """One table of the file. Whatever nobody asked for by `done()` is an error."""

    def __init__(self, values: dict[str, Any], name: str, lines: dict[str, int], file: Path) -> None:
        self._values = values
        self._name = name  # "" for the file itself, driver, rule[2]
        self._lines = lines
        self.file = file
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def wrong(self, key: str, fault: str) -> BadRules:
        place = f"{self._name}.{key}" if self._name and key else key or f"[{self._name}]"
        line = self._lines.get(place if key else self._name)
        where = f"{self.file}, line {line}" if line else str(self.file)
        return BadRules(f"{where}: {place}: {fault}")

    def _get(self, key: str, default: Any) -> Any:
        self._asked[key] = None
        if key in self._values:
            return self._values[key]
        if default is _REQUIRED:
            raise self.wrong("" if self._name else key, f"{key} is missing; add `{key} = …`.")
        return default

    # --- settings

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        """Raises BadRules, as all of these."""
        value = self._get(key, default)
        if not isinstance(value, str) or (not value.strip() and default is _REQUIRED):
            raise self.wrong(key, f"write text in quotes, not {_shown(value)}.")
        return value

    def one_of(self, key: str, choices: Iterable[str], default: Any = _REQUIRED) -> str:
        value, known = self.text(key, default), tuple(choices)
        if value not in known:
            raise self.wrong(key, f"{value!r} is none of {', '.join(known)}{_near(value, known)}.")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, f"write true or false, not {_shown(value)}.")
        return value

    def number(self, key: str, default: Any = _REQUIRED, *, least: float = -math.inf, most: float = math.inf) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(key, f"write a number, not {_shown(value)}.")
        self._check_bounds(key, value, least, most)
        return float(value)

    def whole(self, key: str, default: Any = _REQUIRED, *, least: int, most: int) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(key, f"write a whole number, not {_shown(value)}.")
        self._check_bounds(key, value, least, most)
        return value

    def texts(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        value = self._get(key, default)
        if not isinstance(value, list | tuple) or any(not isinstance(each, str) or not each for each in value):
            raise self.wrong(key, f'write a list of texts such as ["one", "two"], not {_shown(value)}.')
        if not value and default is _REQUIRED:
            raise self.wrong(key, "it must name at least one.")
        return tuple(value)

    def labels(self, key: str) -> tuple[tuple[str, str], ...]:
        value = self._get(key, {})
        if not isinstance(value, dict) or any(not isinstance(each, str) for each in value.values()):
            raise self.wrong(key, f'write a table of texts such as {{ route = "/events" }}, not {_shown(value)}.')
        return tuple(value.items())

    # --- tables in it

    def table(self, key: str) -> "Table":
        """Empty where it is missing."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"write a table: a line `[{key}]`, and its settings below it.")
        return Table(value, f"{self._name}.{key}" if self._name else key, self._lines, self.file)

    def tables(self, key: str) -> list["Table"]:
        value = self._get(key, [])
        if not isinstance(value, list) or any(not isinstance(each, dict) for each in value):
            raise self.wrong(key, f"write a line `[[{key}]]` before each of them, and its settings below it.")
        return [Table(each, f"{key}[{number}]", self._lines, self.file) for number, each in enumerate(value, 1)]

    def done(self) -> None:
        """All settings have been asked for: what else is there is a mistake."""
        for key in self._values:
            if key not in self._asked:
                known = ", ".join(self._asked)
                raise self.wrong(key, f"there is no such setting here{_near(key, self._asked)}. There are: {known}.")

    def _check_bounds(self, key: str, value: float, least: float, most: float) -> None:
        if value < least:
            raise self.wrong(key, f"{value:g} is too little; write {least:g} or more.")
        if value > most:
            raise self.wrong(key, f"{value:g} is too much; write at most {most:g}.")


def read_toml(file: Path) -> Table:
    """Raises BadRules for what is no TOML, OSError."""
    try:
        text = file.read_text(encoding="utf-8")
        return Table(tomllib.loads(text), "", _lines(text), file)
    except UnicodeDecodeError as error:
        raise BadRules(f"{file}: it is not written in UTF-8 (byte {error.start}); save it so.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadRules(
            f"{file} is not TOML: {error}. Texts stand in quotes, a table begins with [its name]."
        ) from error


def _lines(text: str) -> dict[str, int]:
    """Where what stands, as far as one sees without reading TOML: "driver" → 3, "rule[2].query" → 17."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = header[2].strip()
            if header[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
                table = f"{table}[{counts[table]}]"
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            name = key[1].strip("\"'")
            found.setdefault(f"{table}.{name}" if table else name, number)
    return found


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    return f"{_KINDS[type(value)]} ({value!r})" if type(value) in _KINDS else repr(value)


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; {near[0]} is meant, perhaps" if near else ""
