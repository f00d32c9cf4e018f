"""Tags by a CLAP model: what a song sounds like, in words of lists that people may change.

Tempo and key are never asked of it: the signal knows them. Whether somebody sings is asked only where neither lyrics
nor a person say so, and energy is what the model hears together with what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from acetune.annotation import checkpoints, clap, energy
from acetune.annotation.annotator import ANALYSIS_RATE_HZ, Guess, Listen, Setup, Song
from acetune.annotation.clap import Clap
from acetune.annotation.judging import Description, describe, questions
from acetune.annotation.labels import LABELS, read_labels
from acetune.annotation.language import sung_lines
from acetune.annotation.prompt import ordered, read_template
from acetune.annotation.vectors import Vectors, VectorStore, fingerprint
from acetune.audio.files import AUDIO_SUFFIXES
from acetune.audio.signal import Samples, resample
from acetune.data.track import Source, Track
from acetune.errors import AcetuneError, DataError
from acetune.events import Job, Json, Progress, StageEnded, StageStarted

_STAGE: Final = "annotate tags reference"
_MOST_WINDOWS: Final = 8
_SILENT: Final = 10 ** (-50 / 20)
#: Songs of all sorts that are needed to tell a label's own height, and the most that are listened to.
_LEAST_SONGS, _MOST_SONGS = 30, 200
#: A voice that is this likely, or this unlikely, is remarked where the track says otherwise.
_SURE: Final = 0.9
#: Names what is computed of a song; another name computes anew.
_PLAN: Final = f"{_MOST_WINDOWS}x{clap.WINDOW_SECONDS}s-1"


class TagsAnnotator:
    """Finds tags and the genre of a song."""

    name = "tags"
    fields = ("tags", "genre")
    source = Source.MODEL
    pooled = False

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return what is wrong with its weights, if anything."""
        try:
            clap.check(checkpoints.own(setup, self.name))
        except AcetuneError as error:
            return error
        return None

    @contextmanager
    def opened(self, setup: Setup, job: Job) -> Iterator[Listen]:
        """Yield a function that tells the tags of a song.

        Raises:
            MissingDependency: If the weights are not here.
            DataError: If they, a list of labels or the template cannot be used.
        """
        folder = checkpoints.own(setup, self.name)
        dimensions, template = read_labels(setup.cache / LABELS), read_template(setup.cache)
        store = VectorStore(setup.cache / "vectors", fingerprint(folder))
        with clap.opened(folder, setup.device) as model:
            songs = _reference(setup.cache / "reference", model, store, job)
            asked = questions(dimensions, lambda texts: store.texts(texts, model.read), songs)

            def listen(song: Song) -> Mapping[str, Guess]:
                windows, level = _heard(song, model, store)
                if not len(windows):
                    return {}
                found = describe(asked, windows, model.scale, level=level, sings=known_voice(song.track))
                if found.tags:
                    job.tell(_details(song.track.path, found), severity="info", subject=song.track.path)
                return _guesses(found, song.track, template)

            yield listen


def known_voice(track: Track) -> bool | None:
    """Return whether somebody sings, by what people and files say; None where they do not.

    Lyrics that a recogniser wrote are no proof: it may have heard words where there are none.
    """
    if track.instrumental is not None:
        return not track.instrumental
    said = track.source_of("lyrics")
    return True if said is not None and said >= Source.FILE and sung_lines(track.lyrics or "") else None


def windows_of(audio: Samples) -> tuple[Samples, ...]:
    """Return the 10 s windows of mono audio at 48 kHz that the model listens to; silent ones are left out.

    They lie at the centres of up to eight equal parts; a song of less than 10 s is one window.
    """
    size = clap.RATE_HZ * clap.WINDOW_SECONDS
    count = min(_MOST_WINDOWS, max(1, len(audio) // size))
    starts = (max(0, round((part + 0.5) * len(audio) / count - size / 2)) for part in range(count))
    cut = (audio[start : start + size] for start in starts)
    return tuple(window for window in cut if len(window) and np.sqrt(np.mean(np.square(window))) >= _SILENT)


def _heard(song: Song, model: Clap, store: VectorStore) -> tuple[Vectors, float | None]:
    """Return the vectors of a song's windows and its measured energy; no rows for silence."""

    def compute() -> Mapping[str, Vectors]:
        audio = song.audio(clap.RATE_HZ)
        windows = windows_of(audio)
        level = energy.level(resample(audio, clap.RATE_HZ, ANALYSIS_RATE_HZ)) if windows else None
        return {
            "windows": model.hear(windows) if windows else np.zeros((0, 1), np.float32),
            "level": np.array([] if level is None else [level], np.float32),
        }

    kept = store.song(song.path, _PLAN, compute)
    return kept["windows"], float(kept["level"][0]) if len(kept["level"]) else None


def _reference(folder: Path, model: Clap, store: VectorStore, job: Job) -> Sequence[Vectors]:
    """Return the windows of the songs of all sorts that a person put into a folder; none where there are too few.

    The songs of the data set cannot stand for them: what all of them have in common is what tags should say.

    Raises:
        Stopped: If asked to.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)[:_MOST_SONGS]
    if 0 < len(paths) < _LEAST_SONGS:
        job.tell(
            DataError("tagging.few_references", path=folder, count=len(paths), least=_LEAST_SONGS), severity="info"
        )
    if len(paths) < _LEAST_SONGS:
        return ()
    job.report(StageStarted(stage=_STAGE, total=len(paths), unit="songs"))
    heard = []
    for done, path in enumerate(paths, start=1):
        job.check_stop(_STAGE)
        try:
            heard.append(_heard(Song(Track(path=path.name, seconds=0.0), path), model, store)[0])
        except DataError as error:
            job.tell(error, subject=path.name)
        job.report(Progress(stage=_STAGE, done=done, total=len(paths), item=path.name))
    job.report(StageEnded(stage=_STAGE))
    return [windows for windows in heard if len(windows)]


def _guesses(found: Description, track: Track, template: str) -> Mapping[str, Guess]:
    """Return a description as values of fields; tags in the order of the template."""
    tags: list[Json] = [*ordered({name: [tag.text for tag in tags] for name, tags in found.tags.items()}, template)]
    guesses = {}
    if tags:
        sure = float(np.mean([tags[0].confidence for tags in found.tags.values()]))
        guesses["tags"] = Guess(tags, round(sure, 3), _contradiction(found, track))
    if "genre" in found.tags:
        genre = found.tags["genre"][0]
        guesses["genre"] = Guess(genre.text, round(genre.confidence, 3))
    return guesses


def _contradiction(found: Description, track: Track) -> str | None:
    """Return the code of a remark where the model clearly hears what the track denies."""
    if found.voice is None:
        return None
    if track.instrumental:
        return "tagging.voice" if found.voice >= _SURE else None
    sung = track.instrumental is False or sung_lines(track.lyrics or "")
    return "tagging.no_voice" if sung and found.voice <= 1 - _SURE else None


def _details(path: str, found: Description) -> DataError:
    """Return every tag with its confidence: as a sentence, and as parameters for programs."""
    facts: dict[str, object] = {}
    for name, several in found.tags.items():
        facts[name] = ", ".join(tag.text for tag in several)
        facts[f"{name}_confidence"] = round(several[0].confidence, 3)
    heard = "; ".join(
        f"{name} " + ", ".join(f"{tag.text} {tag.confidence:.2f}" for tag in several)
        for name, several in found.tags.items()
    )
    return DataError("tagging.heard", path=path, heard=heard, **facts)
