"""Annotator `lyrics`: ACE-Step's transcriber writes down what is sung, in sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.answers import read_transcript
from acetune.annotation.guards import guarded
from acetune.annotation.omni import RATE_HZ, Heard, Omni, Question, hearing, lack_of_omni
from acetune.annotation.speaking import Manner, seed_of
from acetune.annotation.windows import joined, most_said, split
from acetune.data.headings import with_headings
from acetune.data.lrc import is_sung
from acetune.data.track import Source
from acetune.errors import AcetuneError
from acetune.events import Job

_NAME: Final = "lyrics"
#: The prompt of its model card.
_QUESTION: Final = Question("*Task* Transcribe this audio in detail", Manner(tokens=2048, repetition_penalty=1.05))
_VERSE_NUMBER = re.compile(r"^\[Verse \d+", re.MULTILINE)


class LyricsAnnotator:
    """Writes lyrics with section headings, names their language, and says where nobody sings."""

    name = _NAME
    fields = ("lyrics", "language", "instrumental")
    source = Source.ASR
    pooled = False

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether weights or memory are missing."""
        return lack_of_omni(setup, _NAME)

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that transcribes a song."""
        return hearing(setup, _NAME, job, _listen)


def _listen(omni: Omni, job: Job, song: Song) -> Mapping[str, Guess]:
    """Return lyrics and language of a song, or that it is instrumental; windows of a long one are joined."""
    windows = split(song.audio(RATE_HZ), RATE_HZ, omni.window_seconds)
    seed = seed_of(song, _NAME)
    heard = [omni.ask(_QUESTION, window.audio, seed=seed, job=job, stage=_NAME) for window in windows]
    parts = [read_transcript(each.text) for each in heard]
    confidence = _least_sure(heard)
    said = guarded(joined([part.lyrics or "" for part in parts]).split("\n"))
    if not any(is_sung(line) for line in said.lines):
        return {} if any(part.lyrics for part in parts) else _silence(heard, confidence)
    lyrics = "\n".join(said.lines)
    lyrics = with_headings(_VERSE_NUMBER.sub("[Verse", lyrics) if len(windows) > 1 else lyrics)
    notice = "listening.loop_cut" if said.looped else "listening.cut" if any(each.truncated for each in heard) else None
    guesses = {"lyrics": Guess(lyrics, said.trust(confidence), notice), "instrumental": Guess(False, confidence)}
    language = most_said([part.language for part in parts])
    return guesses if language is None else {**guesses, "language": Guess(language, confidence)}


def _silence(heard: list[Heard], confidence: float | None) -> Mapping[str, Guess]:
    """Return that a song is instrumental, if the model said anything at all."""
    return {"instrumental": Guess(True, confidence)} if any(each.text for each in heard) else {}


def _least_sure(heard: list[Heard]) -> float | None:
    """Return the confidence of the window that was understood worst."""
    known = [each.confidence for each in heard if each.confidence is not None]
    return min(known) if known else None
