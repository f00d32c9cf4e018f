"""Annotator `omni`: any Qwen2.5-Omni answers a question about a song in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.answers import Description, read_description, read_lyrics
from acetune.annotation.guards import guarded
from acetune.annotation.omni import RATE_HZ, Omni, Question, hearing, lack_of_omni
from acetune.annotation.questions import DESCRIBE, LYRICS
from acetune.annotation.speaking import Manner, seed_of
from acetune.annotation.windows import middle
from acetune.data.track import Source
from acetune.errors import AcetuneError
from acetune.events import Job

_NAME: Final = "omni"
_DESCRIBE: Final = Question(DESCRIBE, Manner(tokens=600, temperature=0.3, top_p=0.9))
_LYRICS: Final = Question(LYRICS, Manner(tokens=1000, repetition_penalty=1.05))


class OmniAnnotator:
    """Finds tags, genre, caption and voice, and at most 1,000 characters of lyrics; Chinese ones are its best."""

    name = _NAME
    fields = ("caption", "tags", "genre", "instrumental", "language", "lyrics")
    source = Source.MODEL
    pooled = False

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether weights or memory are missing."""
        return lack_of_omni(setup, _NAME)

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that describes a song."""
        return hearing(setup, _NAME, job, _listen)


def _listen(omni: Omni, job: Job, song: Song) -> Mapping[str, Guess]:
    """Return what the model says about a song, about its middle where it is longer than the model hears at once.

    Raises:
        DataError: If its answer is no JSON.
    """
    audio = middle(song.audio(RATE_HZ), RATE_HZ, omni.window_seconds)
    seed = seed_of(song, _NAME)
    heard = omni.ask(_DESCRIBE, audio, seed=seed, job=job, stage=_NAME)
    said = read_description(heard.text, song.track.path)
    guesses = said.guesses(heard.confidence)
    if not lyrics_wanted(said, song):
        return guesses
    sung = omni.ask(_LYRICS, audio, seed=seed, job=job, stage=_NAME)
    return {**guesses, **sung_guesses(sung.text, song, sung.confidence)}


def lyrics_wanted(said: Description, song: Song) -> bool:
    """Whether a song shall be asked for its lyrics: none are known, and nobody says that it has no singer."""
    return song.track.lyrics is None and not (said.instrumental or song.track.instrumental)


def sung_guesses(text: str, song: Song, confidence: float | None) -> dict[str, Guess]:
    """Return lyrics and language of an answer in JSON; nothing where nothing is sung.

    Raises:
        DataError: If the answer is no JSON.
    """
    transcript = read_lyrics(text, song.track.path)
    said = guarded((transcript.lyrics or "").split("\n"))
    lyrics = "\n".join(said.lines).strip()
    if not lyrics:
        return {}
    guesses = {"lyrics": Guess(lyrics, said.trust(confidence), "listening.loop_cut" if said.looped else None)}
    return guesses | ({"language": Guess(transcript.language, confidence)} if transcript.language else {})
