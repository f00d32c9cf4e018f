"""A bare ``<stem>.txt``, which every tool uses for something else: told apart by what it holds.

The first that fits: fields of Side-Step or SN (``key: value``), tags of ai-toolkit (``<CAPTION>``), lyrics (section
tags, or at least four short lines), a caption (one line with commas). What fits none is the companion of a named file,
or nobody can tell.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal

from acetune.data.columns import NAMES, plain
from acetune.events import Json

#: What a person may say that ambiguous texts are.
TxtMeaning = Literal["caption", "lyrics"]
#: How a bare text is read.
TxtLayout = Literal["key_value", "tagged", "txt_lyrics", "txt_caption"]
Rows = dict[str, Json]

_LINE = re.compile(r"[ \t]*([A-Za-z][A-Za-z_ -]{0,30}?)[ \t]*[:：](.*)")
_KEYS: Final = (NAMES.keys() - {"split", "excluded", "line_times", "consent", "owner"}) | {
    "tags",
    "prompt_override",
    "duration",
}
_TAG = re.compile(r"<[ \t]*(/?)[ \t]*(caption|lyrics|bpm|keyscale|timesignature|duration|language)[ \t]*/?>", re.I)
_SECTION = re.compile(r"^\[[^\[\]\n]+\][ \t]*$", re.MULTILINE)
_COMMA = re.compile("[,，、]")
_SHORT_LINE = 80
_LINES_OF_LYRICS = 4


def layout_of(text: str, beside: Collection[str], meaning: TxtMeaning | None) -> TxtLayout | None:
    """Return how a bare text is to be read; None where nobody can tell.

    Args:
        text: What the file holds.
        beside: Endings of the other files of the song.
        meaning: What a person says that such texts are.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), "")
    if _key(first) in _KEYS:
        return "key_value"
    if any(tag[2].lower() == "caption" for tag in _TAG.finditer(text)):
        return "tagged"
    if _SECTION.search(text) or sum(len(line) <= _SHORT_LINE for line in lines) >= _LINES_OF_LYRICS:
        return "txt_lyrics"
    if len(lines) == 1 and _COMMA.search(text):
        return "txt_caption"
    return _companion(beside, meaning)


def read_key_values(text: str) -> Rows:
    """Return the fields of Side-Step and SN; the lyrics run until the next known key or the end.

    Their `tags` is what acetune calls trigger.
    """
    row: dict[str, list[str]] = {}
    current = ""
    for line in text.split("\n"):
        found, key = _LINE.match(line), _key(line)
        if found and (key in _KEYS or (current != "lyrics" and found[2][:1] in ("", " ", "\t"))):
            current = key
            row.setdefault(current, []).append(found[2].strip())
        elif current and (current == "lyrics" or not line.startswith("#")):
            row[current].append(line.rstrip())
    values: Rows = {key: "\n".join(lines).strip() for key, lines in row.items()}
    tags = values.pop("tags", "")
    return values if values.get("custom_tag") or values.get("trigger") else {**values, "trigger": tags}


def read_tagged(text: str) -> Rows:
    """Return the fields of ai-toolkit: each between its tags, or until the next one where a tag is not closed."""
    row: Rows = {}
    tags = list(_TAG.finditer(text))
    ends = [tag.start() for tag in tags[1:]] + [len(text)]
    for tag, end in zip(tags, ends, strict=True):
        if not tag[1]:
            row.setdefault(tag[2].lower(), text[tag.end() : end].strip())
    return row


def _companion(beside: Collection[str], meaning: TxtMeaning | None) -> TxtLayout | None:
    """Return what a text must be that cannot be told by itself.

    SimpleTuner puts a caption beside ``.lyrics``; the official trainer takes lyrics beside ``.caption.txt``.
    """
    has_lyrics = bool({".lyrics", ".lyrics.txt", "_lyrics.txt"} & set(beside))
    has_caption = bool({".caption.txt", "_prompt.txt"} & set(beside))
    if has_lyrics != has_caption:
        return "txt_caption" if has_lyrics else "txt_lyrics"
    return None if meaning is None else "txt_caption" if meaning == "caption" else "txt_lyrics"


def _key(line: str) -> str:
    """Return the key of a line as it is looked up; empty where it has none."""
    found = _LINE.match(line)
    return plain(found[1]) if found else ""
