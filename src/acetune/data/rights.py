"""Rights in a recording: who owns it, under which licence, and what its people agreed to. All of it is optional."""

from __future__ import annotations

import re
from typing import Final

from acetune.data.track import Track

#: Columns of a row that speak of rights.
RIGHTS: Final = ("owner", "isrc", "licence", "consent")
#: What people can agree to: the use of the recording, of the composition, of a voice.
ASPECTS: Final = ("recording", "composition", "voice")
#: What is written where they did not agree.
REFUSED: Final = "no"
# ISO 3901: country or registrant prefix, registrant, two digits of the year, five of the recording.
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ALL = frozenset({"yes", "y", "true", "all"})
_NONE = frozenset({"no", "n", "false", "refused", "denied", "withdrawn"})


def read_isrc(text: str) -> str:
    """Return a recording's code as twelve characters, without the dashes that people write.

    Raises:
        ValueError: If it is none.
    """
    code = re.sub(r"[\s-]", "", text.upper()).removeprefix("ISRC")
    if not _ISRC.fullmatch(code):
        raise ValueError("no ISRC")
    return code


def read_consent(text: str) -> str:
    """Return what people agreed to: some of `ASPECTS`, separated by commas, or `REFUSED`.

    Raises:
        ValueError: If it says something else.
    """
    said = {word.strip().lower() for word in text.split(",") if word.strip()}
    if said and said <= _NONE:
        return REFUSED
    if said and said <= _ALL:
        return ", ".join(ASPECTS)
    if not said or not said <= set(ASPECTS):
        raise ValueError("no consent")
    return ", ".join(aspect for aspect in ASPECTS if aspect in said)


def is_refused(track: Track) -> bool:
    """Whether somebody said that a track must not be used; a track of which nobody says anything may be."""
    return track.consent is not None and track.consent.strip().lower() in _NONE
