"""What models said about a song, brought into the form of a track; what they do not know or may not say is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from acetune.annotation.annotator import Guess
from acetune.annotation.objects import read_object
from acetune.annotation.questions import MOST_LYRICS
from acetune.data.headings import with_headings
from acetune.data.lrc import is_sung
from acetune.errors import DataError
from acetune.events import Json

#: Most of each kind of tag that a song keeps, in the order of a prompt; the voice comes after the genre.
_KINDS: Final[Mapping[str, int]] = {
    "subgenre": 3, "instruments": 6, "mood": 3, "tempo": 2, "timbre": 3, "era": 1, "production": 3, "energy": 1,
}  # fmt: skip
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "genre": ("genre", "genres"),
    "subgenre": ("subgenre", "subgenres", "sub-genre"),
    "instruments": ("instruments", "instrument", "instrumentation"),
    "mood": ("mood", "moods"),
    "timbre": ("timbre", "timbres"),
    "vocals": ("vocals", "vocal", "voice", "has_vocal", "has_vocals"),
    "lyrics": ("lyrics", "lyric", "transcription"),
    "caption": ("caption", "description"),
}
_UNKNOWN: Final = frozenset(
    {"", "unknown", "none", "n/a", "na", "null", "not applicable", "unspecified", "unclear", "-", "true"}
)
_NO_VOICE: Final = frozenset({"none", "no", "false", "instrumental", "no vocals", "no vocal", "absent"})
#: Tempo in numbers, keys and metres are the signal's to say.
_MEASURED = re.compile(r"\d\s*bpm|\bbpm\b|\b[a-g][#b♯♭]?[\s-](major|minor)\b|\b\d/\d\b|\btempo\b.*\d")
_LONGEST_TAG: Final = 40
_SENTENCE_END = re.compile(r"[.!?](?=\s|$|[\"'”])|[。！？]")
#: English names of languages and their codes.
LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "arabic": "ar", "bengali": "bn", "cantonese": "yue", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi",
    "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko", "malay": "ms",
    "mandarin": "zh", "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro",
    "russian": "ru", "spanish": "es", "swedish": "sv", "tamil": "ta", "thai": "th", "turkish": "tr", "ukrainian": "uk",
    "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What a model said about a song; None and empty where it did not know.

    Attributes:
        instrumental: Whether nobody sings.
        language: Code of what is sung.
    """

    caption: str | None = None
    tags: tuple[str, ...] = ()
    genre: str | None = None
    instrumental: bool | None = None
    language: str | None = None
    lyrics: str | None = None

    def guesses(self, confidence: float | None) -> dict[str, Guess]:
        """Return what is known as guesses; a song without a singer has neither lyrics nor language."""
        known: dict[str, Json] = {
            "caption": self.caption,
            "tags": list(self.tags) or None,
            "genre": self.genre,
            "instrumental": self.instrumental,
            "language": None if self.instrumental else self.language,
            "lyrics": None if self.instrumental else self.lyrics,
        }
        return {name: Guess(value, confidence) for name, value in known.items() if value is not None}


@dataclass(frozen=True)
class Transcript:
    """What is sung: the lyrics with headings (None where nobody sings), and the code of their language."""

    lyrics: str | None
    language: str | None


def read_description(text: str, path: object) -> Description:
    """Return what an answer in JSON says about a song.

    Args:
        text: The answer.
        path: Of the song, for the error.

    Raises:
        DataError: If there is no JSON object in it that says anything.
    """
    values = _object(text, path)
    voice, instrumental = _voice(values)
    genres = _texts(values, "genre", 3)
    parts = [tag for kind, most in _KINDS.items() for tag in _texts(values, kind, most)]
    tags = tuple(dict.fromkeys((*genres, *voice, *parts)))
    found = Description(
        caption=_caption(_value(values, "caption")),
        tags=tags,
        genre=", ".join(genres) or None,
        instrumental=instrumental,
        language=read_language(_value(values, "language")),
        lyrics=_short_lyrics(_value(values, "lyrics")),
    )
    if found == Description():
        raise _no_answer(text, path)
    return found


def read_lyrics(text: str, path: object) -> Transcript:
    """Return what an answer in JSON says is sung (raises as `read_description`)."""
    values = _object(text, path)
    return Transcript(_short_lyrics(_value(values, "lyrics")), read_language(_value(values, "language")))


def read_transcript(text: str) -> Transcript:
    """Return what ACE-Step's transcriber heard: ``# Languages``, a code, ``# Lyrics``, and lines with headings."""
    parts = re.split(r"^\s*#+\s*(languages?|lyrics?)\s*:?\s*$", text, flags=re.IGNORECASE | re.MULTILINE)
    named = {parts[at].lower()[:4]: parts[at + 1].strip() for at in range(1, len(parts) - 1, 2)}
    lyrics = named.get("lyri", "" if named else text.strip())
    sung = any(is_sung(line) for line in lyrics.split("\n"))
    language = read_language((named.get("lang", "").split("\n") or [""])[0])
    return Transcript(with_headings(lyrics) if sung else None, language if sung else None)


def read_language(value: object) -> str | None:
    """Return the code of a language that a model named in any usual way; None for what is no language."""
    if not isinstance(value, str):
        return None
    first = re.split(r"[,;/&(]|\band\b", value.strip().lower())[0].strip(" .\"'")
    if first in _UNKNOWN or first == "instrumental":
        return None
    code = re.fullmatch(r"([a-z]{2,3})(?:[-_][a-z]{2,4})?", first)
    return code[1] if code else LANGUAGE_NAMES.get(first)


def whole_sentences(text: str) -> str:
    """Return a text that was cut up to its last whole sentence; all of it where none is whole."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else text


def plain_prose(text: str) -> str:
    """Return a description as one paragraph without marks of layout; a sentence that comes again stands once."""
    flat = " ".join(re.sub(r"[*_`#]+", "", text).split()).strip("\"' ")
    sentences = re.split(r"(?<=[.!?])\s+|(?<=[。！？])", flat)
    return " ".join(dict.fromkeys(sentence for sentence in sentences if sentence)).strip()


def _object(text: str, path: object) -> Mapping[str, Any]:
    """Return the object of an answer."""
    try:
        return {str(name).strip().lower(): value for name, value in read_object(text).items()}
    except ValueError as cause:
        raise _no_answer(text, path) from cause


def _no_answer(text: str, path: object) -> DataError:
    """Return the error of an answer that says nothing."""
    return DataError("listening.no_answer", path=path, said=" ".join(text.split())[:80])


def _value(values: Mapping[str, Any], name: str) -> object:
    """Return a value by any of its names."""
    return next((values[alias] for alias in _ALIASES.get(name, (name,)) if alias in values), None)


def _texts(values: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    """Return the tags under a name: a list, or a text with commas."""
    raw = _value(values, name)
    parts = raw if isinstance(raw, list) else re.split("[,，、;]", raw) if isinstance(raw, str) else []
    tags = [" ".join(part.lower().split()).strip(" .\"'") for part in parts if isinstance(part, str)]
    kept = (tag for tag in tags if tag not in _UNKNOWN and len(tag) <= _LONGEST_TAG and not _MEASURED.search(tag))
    named = (f"{tag} energy" if name == "energy" and "energy" not in tag else tag for tag in kept)
    return tuple(dict.fromkeys(named))[:most]


def _voice(values: Mapping[str, Any]) -> tuple[tuple[str, ...], bool | None]:
    """Return the tags of a voice, and whether there is none: of an object, a list, a text or a truth value."""
    raw = _value(values, "vocals")
    said = raw if isinstance(raw, dict) else {"style": raw}
    kind = str(said.get("type", raw)).strip().lower()
    if kind in _NO_VOICE and raw is not None:
        return ("instrumental",), True
    gender, style = _texts(said, "gender", 1), _texts(said, "style", 3)
    sung = () if kind == "solo" or not isinstance(raw, dict) else _texts(said, "type", 1)
    tags = tuple(dict.fromkeys(_sung(word) for word in (*gender, *sung, *style)))
    return tags, False if tags or kind in ("solo", "true") else None


def _sung(word: str) -> str:
    """Return a word about a voice as a tag that can only mean a voice."""
    return word if word in ("duet", "choir") or re.search("vocal|voice|sing|rap", word) else f"{word} vocals"


def _caption(value: object) -> str | None:
    """Return prose that says something."""
    if not isinstance(value, str) or value.strip().lower() in _UNKNOWN:
        return None
    return plain_prose(value) or None


def _short_lyrics(value: object) -> str | None:
    """Return lyrics, a text or lines, cut after a whole line at `MOST_LYRICS` characters; None where nobody sings."""
    if isinstance(value, list):
        value = "\n".join(line for line in value if isinstance(line, str))
    if not isinstance(value, str) or not any(is_sung(line) for line in value.split("\n")):
        return None
    if value.strip(" []().").lower() in (*_UNKNOWN, "instrumental"):
        return None
    text = with_headings(value.replace("\\n", "\n"))
    if len(text) > MOST_LYRICS:
        text = text[: MOST_LYRICS + 1].rpartition("\n")[0] or text[:MOST_LYRICS]
    return text.strip()
