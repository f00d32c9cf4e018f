"""What is wrong with the words and fields of a track, without its audio."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from acetune.data.artists import artists_of, named_in
from acetune.data.captions import trigger_of, with_trigger
from acetune.data.fields import read_field
from acetune.data.findings import Finding, Severity
from acetune.data.keys import is_same
from acetune.data.settings import DatasetSettings
from acetune.data.statements import keys_in, tempi_in, voices_in
from acetune.data.track import Track
from acetune.errors import DataError

#: What the model was trained to read; anything else is left out of the prompt.
BPM_RANGE: Final = (30.0, 300.0)
METRES: Final = ("2", "3", "4", "6")
#: A stated tempo may be rounded by this share.
_TEMPO_TOLERANCE = 0.02
_TAG = re.compile(r"\[[^\[\]]*\]")
_FIELDS = ("bpm", "timesignature", "language", "instrumental")
#: Columns in which v1's data sets name a voice.
_SPEAKERS: Final = ("speaker_emb_path", "speaker_embedding_path")

_Found = Iterator[tuple[Severity, DataError, float | str]]


def text_findings(track: Track, settings: DatasetSettings, artist: str | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a track's words and fields.

    Args:
        track: The track.
        settings: Of its data set; the trigger is read.
        artist: Whom the tags of its file name.
    """
    found = (
        *_missing(track),
        *_unread(track),
        *_outside(track),
        *_tempo_in_words(track),
        *_key_in_words(track),
        *_voices(track),
        *_voices_in_words(track),
        *_trigger(track, settings),
        *_artist(track, artist),
        *_speaker(track),
    )
    for severity, problem, value in found:
        yield Finding.of(severity, track.path, problem, value)


def has_words(lyrics: str | None) -> bool:
    """Whether lyrics hold anything to sing beside section tags."""
    return any(letter.isalnum() for letter in _TAG.sub("", lyrics or ""))


def _missing(track: Track) -> _Found:
    """Yield what a track lacks; lyrics may be missing where nobody sings."""
    if not (track.caption or track.tags or track.genre):
        yield "warning", DataError("check.no_caption"), ""
    if track.lyrics is None and track.instrumental is None:
        yield "warning", DataError("check.no_lyrics"), ""
    if track.instrumental is False and not has_words(track.lyrics):
        yield "warning", DataError("check.sung_without_words"), track.lyrics or ""


def _unread(track: Track) -> _Found:
    """Yield values of the manifest that cannot be read; they are kept as unknown columns."""
    for field in ("keyscale", *_FIELDS):
        raw = track.extra.get(field)
        try:
            read_field(field, raw)
        except ValueError:
            code = "check.key_unread" if field == "keyscale" else "check.value_unread"
            yield "warning", DataError(code, field=field, raw=str(raw)[:80]), str(raw)[:80]


def _outside(track: Track) -> _Found:
    """Yield values that the model was not trained to read."""
    low, high = BPM_RANGE
    if track.bpm is not None and not low <= round(track.bpm) <= high:
        yield "warning", DataError("check.bpm_range", bpm=track.bpm, low=low, high=high), track.bpm
    if track.timesignature is not None and track.timesignature not in METRES:
        yield "info", DataError("check.metre", metre=track.timesignature), track.timesignature


def _tempo_in_words(track: Track) -> _Found:
    """Yield where a caption states another tempo than the field."""
    if track.bpm is None:
        return
    for low, high in tempi_in(_words(track)):
        if not low * (1 - _TEMPO_TOLERANCE) <= track.bpm <= high * (1 + _TEMPO_TOLERANCE):
            yield "warning", DataError("check.caption_bpm", said=low if low == high else high, bpm=track.bpm), high
            return


def _key_in_words(track: Track) -> _Found:
    """Yield where a caption states another key than the field."""
    said = keys_in(_words(track)) if track.keyscale is not None else ()
    if said and not any(is_same(key, str(track.keyscale)) for key in said):
        yield "warning", DataError("check.caption_key", said=said[0], key=track.keyscale), said[0]


def _voices(track: Track) -> _Found:
    """Yield fields that contradict each other on whether somebody sings."""
    if track.instrumental and has_words(track.lyrics):
        yield "warning", DataError("check.instrumental_lyrics"), str(track.lyrics)[:80]
    if track.instrumental and track.language not in (None, "unknown", "instrumental"):
        yield "info", DataError("check.instrumental_language", language=track.language), str(track.language)


def _voices_in_words(track: Track) -> _Found:
    """Yield where a caption and the fields disagree on whether somebody sings."""
    said = voices_in(_words(track))
    if said and track.instrumental:
        yield "warning", DataError("check.caption_voice"), ""
    if said is False and has_words(track.lyrics) and not track.instrumental:
        yield "warning", DataError("check.caption_instrumental"), ""


def _trigger(track: Track, settings: DatasetSettings) -> _Found:
    """Yield where a trigger stands in a caption already: as a word of the list it counts, inside other words not."""
    trigger = trigger_of(track, settings.trigger)
    if not trigger or settings.trigger_position == "replace":
        return
    texts = [text for text in (track.caption, ", ".join(track.tags or ())) if text]
    if any(with_trigger(text, trigger, settings.trigger_position) == text for text in texts):
        yield "info", DataError("check.trigger_listed", trigger=trigger), trigger
    elif any(named_in(text, (trigger,)) for text in texts):
        yield "warning", DataError("check.trigger_inside", trigger=trigger), trigger


def _artist(track: Track, in_tags: str | None) -> _Found:
    """Yield the artist's name where a caption has it."""
    artist = named_in(_words(track), artists_of(track, in_tags))
    if artist is not None:
        yield "warning", DataError("check.artist", artist=artist), artist


def _speaker(track: Track) -> _Found:
    """Yield a speaker embedding: the released v1 model was trained without them."""
    path = next((value for column in _SPEAKERS if (value := track.extra.get(column))), None)
    if path is not None:
        yield "info", DataError("check.speaker", embedding=str(path)), str(path)


def _words(track: Track) -> str:
    """Return every text that a track may be trained with, one a line."""
    further = (track.recaption or {}).values()
    return "\n".join(filter(None, (track.caption, ", ".join(track.tags or ()), track.genre, *further)))
