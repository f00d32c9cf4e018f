"""What models are asked about a song, in words and as a JSON schema: the same for a model here and for a server."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from acetune.events import Json

#: Lyrics that a general model hears are cut here (ACE-Step v1's own limit); what comes later is mostly invented.
MOST_LYRICS: Final = 1000

DESCRIBE: Final = (
    "Listen to this song and describe it as one JSON object with these keys and nothing else: "
    '"genre" (one to three, the most fitting first), '
    '"vocals" (an object with "type": none, solo, duet, group, choir, rap or spoken; "gender": male, female, mixed or '
    'unknown; "style": a word or two on how the voice sounds), '
    '"instruments" (up to six that can be heard, no voices), "mood" (up to three), "timbre" (up to three words on the '
    'sound), "era" (a decade or unknown), "production" (up to three words on recording and mix), "energy" (low, medium '
    'or high), "language" (two-letter code of what is sung, or unknown), "caption" (at most 60 words of English). '
    "Say unknown where you cannot tell. Give no tempo in numbers, no key, no names of artists and no titles."
)
LYRICS: Final = (
    "Write down what is sung in this song, in its own language, as one JSON object and nothing else: "
    '"language" (two-letter code, or unknown) and "lyrics" (one line for each line that is sung, sections marked '
    "[Verse 1], [Chorus] and so on; at most 1000 characters). If nobody sings, lyrics is an empty string. "
    "Write only what you hear; leave out what you cannot understand."
)


def _list(most: int) -> Json:
    """Return the schema of a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "maxItems": most}


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    """Return the schema of an object in which every key must stand and no other may, as strict servers demand."""
    names: list[Json] = list(properties)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _words(*words: str) -> Json:
    """Return the schema of one of some words."""
    return {"type": "string", "enum": list(words)}


_TEXT: Final[Json] = {"type": "string"}

#: Name to schema of the two answers.
SCHEMAS: Final[Mapping[str, Mapping[str, Json]]] = MappingProxyType(
    {
        "song_tags": _object(
            {
                "genre": _list(3),
                "vocals": _object(
                    {
                        "type": _words("none", "solo", "duet", "group", "choir", "rap", "spoken", "unknown"),
                        "gender": _words("male", "female", "mixed", "unknown"),
                        "style": _TEXT,
                    }
                ),
                "instruments": _list(6),
                "mood": _list(3),
                "timbre": _list(3),
                "era": _TEXT,
                "production": _list(3),
                "energy": _words("low", "medium", "high", "unknown"),
                "language": _TEXT,
                "caption": _TEXT,
            }
        ),
        "song_lyrics": _object({"language": _TEXT, "lyrics": _TEXT}),
    }
)
