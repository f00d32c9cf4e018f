"""Annotator `prompt`: a song's tags become its caption, put together by a template that people may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.labels import LABELS, read_labels
from acetune.annotation.prompt import assemble, parts_of, read_template
from acetune.data.track import Source
from acetune.errors import AcetuneError
from acetune.events import Job


class PromptAnnotator:
    """Writes the comma-separated prompt of tags that are known, for songs without a caption, to those who ask for it.

    Training joins the tags of such a song anyway; this is for those who want words in another order, with tempo and
    key among them, or to go on from there by hand. The trigger is left to the encoding, which adds it once.
    """

    name = "prompt"
    fields = ("caption",)
    source = Source.MODEL
    pooled = False
    needs = ("tags",)
    on_request = True

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return None: it needs nothing."""

    @contextmanager
    def opened(self, setup: Setup, job: Job) -> Iterator[Listen]:
        """Yield a function that puts the prompt of a song together.

        Raises:
            DataError: If a list of labels or the template cannot be used.
        """
        dimensions, template = read_labels(setup.cache / LABELS), read_template(setup.cache)

        def listen(song: Song) -> Mapping[str, Guess]:
            marks = song.track.provenance.get("tags")
            text = assemble(parts_of(song.track, dimensions), template)
            return {"caption": Guess(text, marks.confidence if marks else None)} if text else {}

        yield listen
