"""Annotator `whisper`: lyrics with the times of their lines, where nothing better is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final

from acetune.annotation import checkpoints, vocals
from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.guards import guarded
from acetune.annotation.loading import lack_of_room
from acetune.annotation.recognisers import (
    RATE_HZ,
    Line,
    Recognised,
    Recogniser,
    is_converted,
    lack_of_faster_whisper,
    opened_recogniser,
)
from acetune.annotation.sections import with_sections
from acetune.annotation.speaking import seed_of
from acetune.annotation.windows import Window, most_said
from acetune.data.track import Source
from acetune.errors import AcetuneError, DataError, MissingDependency
from acetune.events import Job

_NAME: Final = "whisper"
#: The longest piece of a voice that is heard at once.
_PIECE_SECONDS: Final = 30.0
#: A voice that sounds for a smaller share of the song is none.
_LEAST_SHARE: Final = 0.03
#: Fewer words in a minute or more are what is written where nobody sings.
_LEAST_WORDS, _LEAST_WORDS_SECONDS = 8, 60.0
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_]+")


class WhisperAnnotator:
    """Writes lyrics line by line with their times and language; with Demucs it also says where nobody sings."""

    name = _NAME
    fields = ("lyrics", "line_times", "language", "instrumental")
    source = Source.ASR
    pooled = False
    models = (vocals.NAME,)

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether weights, memory or a package is missing."""
        try:
            vocals.check(setup)
            folder = checkpoints.own(setup, _NAME)
            return lack_of_faster_whisper(folder) if is_converted(folder) else lack_of_room(folder, setup.device)
        except (MissingDependency, DataError) as error:
            return error

    @contextmanager
    def opened(self, setup: Setup, job: Job) -> Iterator[Listen]:
        """Yield a function that transcribes a song."""
        voices = vocals.find(setup)
        isolation = vocals.opened_isolation(voices, setup.device, job) if voices else nullcontext(None)
        with (
            isolation as isolate,
            opened_recogniser(checkpoints.own(setup, _NAME), setup.device, job) as recogniser,
        ):
            yield partial(_listen, _Ears(recogniser, isolate, job))


@dataclass(frozen=True)
class _Ears:
    """What hears a song: a recogniser, and what isolates the voice if there is such a thing."""

    recogniser: Recogniser
    isolate: vocals.Isolate | None
    job: Job


def _listen(ears: _Ears, song: Song) -> Mapping[str, Guess]:
    """Return lyrics, times and language of a song, or that nobody sings; nothing where too little was understood."""
    if ears.isolate is None:
        windows: Sequence[Window] = (Window(0.0, song.audio(RATE_HZ)),)
    else:
        voice = ears.isolate(song)
        phrases = vocals.voiced(voice)
        if vocals.share(phrases, len(voice) / RATE_HZ) < _LEAST_SHARE:
            return {"instrumental": Guess(True, 1 - vocals.share(phrases, len(voice) / RATE_HZ) / _LEAST_SHARE)}
        windows = vocals.pieces(voice, phrases, _PIECE_SECONDS)
    seed = seed_of(song, _NAME)
    heard = [ears.recogniser.hear(window.audio, seed=seed, job=ears.job) for window in windows]
    lines = [
        Line(window.start + line.start, line.text)
        for window, said in zip(windows, heard, strict=True)
        for line in said.lines
    ]
    return _guesses(lines, heard, song.track.seconds)


def _guesses(lines: Sequence[Line], heard: Sequence[Recognised], seconds: float) -> Mapping[str, Guess]:
    """Return the lines as lyrics in sections, without what nobody sang."""
    said = guarded([line.text for line in lines])
    words = sum(len(_WORD.findall(line)) for line in said.lines)
    if not words or (words < _LEAST_WORDS and seconds >= _LEAST_WORDS_SECONDS):
        return {}
    times = sorted(round(lines[place].start, 2) for place in said.kept)
    sectioned = with_sections("\n".join(said.lines), times, seconds)
    confidence = _mean([each.confidence for each in heard])
    trust = said.trust(confidence)
    notice = "listening.loop_cut" if said.looped else "listening.sections_guessed"
    guesses = {
        "lyrics": Guess(sectioned.lyrics, trust, notice),
        "instrumental": Guess(False, confidence),
    }
    if sectioned.line_times:
        guesses["line_times"] = Guess(list(sectioned.line_times), trust)
    language = most_said([each.language for each in heard if each.lines])
    return guesses if language is None else {**guesses, "language": Guess(language, confidence)}


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
