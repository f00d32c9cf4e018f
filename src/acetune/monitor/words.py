"""The words that people read, by area and language; English where a language lacks one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from acetune.errors import AcetuneError
from acetune.events import Noticed

#: Languages that have texts.
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Words:
    """Texts of one area, such as ``report``, in one language.

    A text is a string, or the sentence ``message`` of an entry that has a ``remedy`` too.
    """

    area: str
    language: str = "en"

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a text with its values filled in.

        Raises:
            KeyError: If no language has it.
        """
        return self._entry(name)["message"].format(**values)

    def remedy(self, name: str, /, **values: object) -> str:
        """Return what to do about it; empty where nothing is to be done."""
        return self._entry(name).get("remedy", "").format(**values)

    def find(self, name: str, fallback: str) -> str:
        """Return a text that has no values, or the fallback where there is none."""
        known = any(f"{self.area}.{name}" in _table(language, self.area) for language in (self.language, "en"))
        return self(name) if known else fallback

    def _entry(self, name: str) -> dict[str, str]:
        """Return message and remedy of a text."""
        for language in (self.language, "en"):
            entry = _table(language, self.area).get(f"{self.area}.{name}")
            if entry is not None:
                return {"message": entry} if isinstance(entry, str) else entry
        raise KeyError(f"no text {self.area}.{name}")


def sentence(notice: Noticed, language: str) -> str:
    """Return what a notice says; in English where it is of another version and its code has no text here."""
    if language == "en":
        return notice.message
    try:
        return AcetuneError(notice.code, **notice.params).message(language)
    except (KeyError, ValueError):
        return notice.message


@cache
def _table(language: str, area: str) -> dict[str, str | dict[str, str]]:
    """Return the texts of one area in one language; empty where there are none."""
    source = resources.files("acetune") / "locales" / language / f"{area}.json"
    if not source.is_file():
        return {}
    table: dict[str, str | dict[str, str]] = json.loads(source.read_text(encoding="utf-8"))
    return table
