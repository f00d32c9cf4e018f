"""Generated pieces that leave with an adapter: sound and settings, and no words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from acetune.data.embedded import open_tags
from acetune.errors import DataError
from acetune.generation.mark import WORDS
from acetune.generation.pieces import read_mark

#: What is said of a piece that acetune wrote, by tinytag's names: of the file, the mark, and the writing programs.
_TOLD: Final = frozenset(
    {"filename", "filesize", "mime_type", "comment", "isft", "software", "encoder", "encoder_settings"}
)


def demos(audio: Sequence[Path]) -> dict[str, Path]:
    """Return pieces by the plain names they get: what they are called here stays here.

    Raises:
        DataError: If one is not known to be generated, or says more than acetune writes without being asked to.
    """
    for path in audio:
        mark = read_mark(path)
        if mark is None:
            raise DataError("sharing.not_generated", path=path)
        more = [word for word in WORDS if mark.get(word)] or _foreign_tags(path)
        if more:
            raise DataError("sharing.words_inside", path=path, what=", ".join(more))
    return {f"audio-{number}{path.suffix.lower()}": path for number, path in enumerate(audio, start=1)}


def _foreign_tags(path: Path) -> list[str]:
    """Return the names of tags that acetune does not write."""
    try:
        tag = open_tags(path)
    except ValueError as cause:
        raise DataError("sharing.not_generated", path=path) from cause
    said = tag.as_dict()
    comments = said.get("comment")
    second = ["comment"] if isinstance(comments, list) and len(comments) > 1 else []
    return [*sorted(said.keys() - _TOLD), *second, *tag.images.as_dict()]
