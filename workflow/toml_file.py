"""A TOML file that a person writes: each mistake is told with the field it is in, and a secret may be elsewhere."""

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workflow.errors import Invalid
from workflow.input_file import content_of


class TomlFile:
    """The file's values; `code` is what its mistakes are called. Raises Invalid at each."""

    def __init__(self, path: Path, code: str) -> None:
        self._folder = path.parent
        self._code = code
        try:
            self.values: dict[str, Any] = tomllib.loads(content_of(path).decode())
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid("unreadable-file", "cannot be read; check the path") from error
        except (ValueError, RecursionError) as error:  # the former also for a number of thousands of digits
            raise self.mistake(f"no TOML: {error}") from error

    def mistake(self, message: str) -> Invalid:
        """An error about the file's content."""
        return Invalid(self._code, message)

    def take_section(self, name: str) -> "Section":
        """Take a section out of the values."""
        section = self.take_optional(name)
        if section is None:
            raise self.mistake(f"the section [{name}] is missing")
        return section

    def take_optional(self, name: str) -> "Section | None":
        """Take a section out of the values, where there is one."""
        section = self.values.pop(name, None)
        if section is not None and not isinstance(section, dict):
            raise self.mistake(f"{name} is no section; write [{name}]")
        return None if section is None else Section(self, name, section)

    def content(self, file: str, field: str) -> bytes:
        """The bytes of a file that a field names, relative to this one."""
        try:
            return content_of(self._folder / Path(file).expanduser())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no path"
            raise Invalid("unreadable-file", f"{field}: {file}: {reason}; check the path") from error


class Section:
    """One `[section]`: texts, files and secrets by their fields' names."""

    def __init__(self, file: TomlFile, name: str, values: dict[str, Any]) -> None:
        self._file = file
        self._name = name
        self.values = values

    def text(self, field: str) -> str:
        """A text that must be there."""
        value = self.values.get(field)
        if not isinstance(value, str) or not value:
            raise self._file.mistake(f"{self._name}.{field} is missing or no text")
        return value

    def choice(self, field: str, known: Sequence[str], *, default: str | None = None) -> str:
        """A text that is one of the known ones; without a default it must be there."""
        text = self.text(field) if default is None or field in self.values else default
        if text not in known:
            raise self.mistake(field, f"is none of {', '.join(known)}")
        return text

    def mistake(self, field: str, message: str) -> Invalid:
        """An error about a field of the section."""
        return self._file.mistake(f"{self._name}.{field} {message}")

    def content(self, field: str) -> bytes:
        """The bytes of the file that a field names."""
        return self._file.content(self.text(field), f"{self._name}.{field}")

    def secret(self, field: str, *, needed: bool = True) -> str:
        """A secret given as itself, as a file's content (`…_file`) or as an environment variable (`…_env`)."""
        if f"{field}_file" in self.values:
            return self.content(f"{field}_file").decode(errors="replace").strip()
        if f"{field}_env" in self.values:
            variable = self.text(f"{field}_env")
            value = os.environ.get(variable)
            if value is None:
                raise self._file.mistake(f"{self._name}.{field}_env: the variable {variable} is not set")
            return value
        if field not in self.values and not needed:
            return ""
        return self.text(field)
