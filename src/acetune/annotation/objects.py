"""JSON objects in what a model says: strict where it can be, mended where a model's habits are known."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

#: Longer answers are cut: no description of a song needs as much.
LONGEST: Final = 40_000
#: Places where an object may begin that are tried.
_TRIES: Final = 20

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_TRAILING_COMMA = re.compile(r",\s*(?=[}\]])")
_COMMENT = re.compile(r"(^|[\s,{}\[\]])//[^\n\"]*$", re.MULTILINE)
_CURLY_QUOTES = str.maketrans("“”„‟″", '"""""')
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)(\s*:)")


def read_object(text: str) -> Mapping[str, Any]:
    """Return the first JSON object in a text, whatever stands before and behind it.

    Mended are: line ends inside strings, commas before a bracket, comments, curly quotes, keys without quotes, the
    object as Python writes it, and an end that was cut off. What a model thought before it answered does not count.

    Raises:
        ValueError: If there is none.
    """
    answer = _THOUGHTS.sub("", text[:LONGEST])
    for candidate in _candidates(answer):
        for mended in _mended(candidate):
            found = _loaded(mended)
            if isinstance(found, dict) and found:
                return found
    raise ValueError("no JSON object")


def _candidates(text: str) -> Iterator[str]:
    """Yield the parts of a text that may be an object; none inside a whole one, and the outermost first."""
    place = text.find("{")
    for _ in range(_TRIES):
        if place < 0:
            break
        part, is_whole = _balanced(text[place:])
        yield part
        place = text.find("{", place + (len(part) if is_whole else 1))


def _balanced(text: str) -> tuple[str, bool]:
    """Return a text up to the bracket that closes its first one and True, or all of it, closed, and False."""
    open_brackets: list[str] = []
    in_string = escaped = False
    for place, character in enumerate(text):
        if in_string:
            escaped, in_string = character == "\\" and not escaped, character != '"' or escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            open_brackets.append("}" if character == "{" else "]")
        elif character in "}]" and open_brackets:
            open_brackets.pop()
            if not open_brackets:
                return text[: place + 1], True
    return _closed(text, in_string, open_brackets), False


def _closed(text: str, in_string: bool, open_brackets: list[str]) -> str:
    """Return a text that was cut, with its string and its brackets closed; a key without a value is dropped."""
    ended = text.rstrip("\\") + '"' if in_string else text
    ended = re.sub(r",?\s*\"[^\"]*\"\s*:\s*$", "", ended.rstrip().rstrip(","))
    if in_string and open_brackets[-1:] == ["}"]:
        ended = re.sub(r"([{,]\s*)\"[^\":]*\"$", r"\1", ended).rstrip().rstrip(",")
    return ended + "".join(reversed(open_brackets))


def _mended(text: str) -> Iterator[str]:
    """Yield a text as it is, and then with more and more of it mended."""
    yield text
    mended = _TRAILING_COMMA.sub("", _COMMENT.sub(r"\1", text))
    yield mended
    mended = mended.translate(_CURLY_QUOTES)
    yield mended
    yield _BARE_KEY.sub(r'\1"\2"\3', mended)


def _loaded(text: str) -> object:
    """Return what a text stands for in JSON or in Python; None for neither."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # a backslash that Python does not know
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
