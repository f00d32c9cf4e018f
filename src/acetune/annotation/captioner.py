"""Annotator `caption`: ACE-Step's captioner describes a song in prose."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.answers import plain_prose, whole_sentences
from acetune.annotation.omni import RATE_HZ, Omni, Question, hearing, lack_of_omni
from acetune.annotation.speaking import Manner, seed_of
from acetune.annotation.windows import middle
from acetune.data.track import Source
from acetune.errors import AcetuneError
from acetune.events import Job

_NAME: Final = "caption"
#: The prompt of its model card; temperature between the 0.3 and 0.6 that were found to keep to what is heard.
_QUESTION: Final = Question("*Task* Describe this audio in detail", Manner(tokens=400, temperature=0.4, top_p=0.9))


class CaptionAnnotator:
    """Describes style, instruments, mood and voice; ACE-Step 1.5 was trained with the words of this model."""

    name = _NAME
    fields = ("caption",)
    source = Source.MODEL
    pooled = False

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether weights or memory are missing."""
        return lack_of_omni(setup, _NAME)

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that captions a song."""
        return hearing(setup, _NAME, job, _listen)


def _listen(omni: Omni, job: Job, song: Song) -> Mapping[str, Guess]:
    """Return a caption of a song, of its middle where it is longer than the model hears at once."""
    audio = middle(song.audio(RATE_HZ), RATE_HZ, omni.window_seconds)
    heard = omni.ask(_QUESTION, audio, seed=seed_of(song, _NAME), job=job, stage=_NAME)
    text = plain_prose(whole_sentences(heard.text) if heard.truncated else heard.text)
    return {"caption": Guess(text, heard.confidence)} if text else {}
