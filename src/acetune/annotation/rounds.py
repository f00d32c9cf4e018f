"""One round over the songs of a data set: who hears which, and what becomes of what they say."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from acetune.annotation import choice, listening
from acetune.annotation.annotator import Annotator, Setup, Song
from acetune.annotation.listening import Answer, Order
from acetune.data import manifest as manifests
from acetune.data.journal import Result
from acetune.data.manifest import Manifest
from acetune.data.rows import read_value, value_to_json
from acetune.data.track import Mark, Skipped, Source, Track
from acetune.errors import AcetuneError, DataError
from acetune.events import Job, Json, Progress, StageEnded, StageStarted

_STAGE: Final = "annotate"
#: Fields that many songs rightly lack: nobody is told of each.
_OFTEN_ABSENT: Final = frozenset({"lyrics", "line_times", "language", "instrumental", "genre", "recaption", "trigger"})


@dataclass(frozen=True)
class Found:
    """One value that was found.

    Attributes:
        path: Of the track.
        field: Of `DESCRIPTION`.
        value: As `metadata.jsonl` has it.
        confidence: 0 to 1; None where the annotator cannot say.
        source: Name of its `Source` in small letters.
        annotator: Who found it.
        origin: As `Mark.origin`.
    """

    path: str
    field: str
    value: Json
    confidence: float | None
    source: str
    annotator: str
    origin: str | None = None


@dataclass(frozen=True)
class AnnotateResult:
    """What annotating did.

    Attributes:
        written: Tracks that got a value.
        kept: Tracks that got nothing new: all that can be told of them is known.
        skipped: Tracks that cannot be read, or of which nothing is known and nothing was found.
        found: Every new value, track by track.
    """

    written: int
    kept: int
    skipped: tuple[Skipped, ...]
    found: tuple[Found, ...] = ()


@dataclass
class Round:
    """One round over a data set: what is known of each track by now, and what came of it.

    Attributes:
        manifest: The data set as it was at the start.
        chosen: The tracks to look at.
        overwrite: Fields to find anew; None to look at everything and write nothing.
        tracks: Path to what is known by now.
        found: Path to fields to what this round found.
        failures: Path to the first reason why something could not be found.
    """

    manifest: Manifest
    chosen: Sequence[Track]
    setup: Setup
    job: Job
    overwrite: Collection[str] | None
    tracks: dict[str, Track] = field(init=False)
    found: dict[str, dict[str, Found]] = field(default_factory=dict)
    failures: dict[str, AcetuneError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracks = {track.path: track for track in self.chosen}

    def hear(self, group: Sequence[Annotator]) -> None:
        """Let annotators that work together hear every track that lacks something of theirs."""
        orders = [order for path in self.tracks if (order := self._order(path, group))]
        if not orders:
            return
        stage = _STAGE if group[0].pooled else f"{_STAGE} {group[0].name}"
        self.job.report(StageStarted(stage=stage, total=len(orders), unit="tracks"))
        written = 0
        for done, answer in enumerate(self._answers(orders, group, stage), start=1):
            path = answer.order.song.track.path
            written += self._take(answer, self._wanted(path, group), group)
            self.job.report(Progress(stage=stage, done=done, total=len(orders), item=path))
        kept, skipped = len(self.tracks) - len(orders), len(orders) - written
        self.job.report(StageEnded(stage=stage, result={"written": written, "kept": kept, "skipped": skipped}))

    def result(self) -> AnnotateResult:
        """Return what came of it; a track that got a value from anybody was not skipped."""
        values = [value for path in self.tracks for value in self.found.get(path, {}).values()]
        skipped = [
            Skipped(path, error.code, error.message())
            for path, error in self.failures.items()
            if path not in self.found
        ]
        kept = len(self.tracks) - len(self.found) - len(skipped)
        return AnnotateResult(len(self.found), kept, tuple(skipped), tuple(values))

    def _order(self, path: str, group: Sequence[Annotator]) -> Order | None:
        """Return what is asked about a track; None where everything is known."""
        track = self.tracks[path]
        wanted = self._wanted(path, group)
        return Order(Song(track, self.manifest.audio(track)), tuple(dict.fromkeys(wanted.values()))) if wanted else None

    def _wanted(self, path: str, group: Sequence[Annotator]) -> Mapping[str, Annotator]:
        """Return the fields to find for a track, with who finds them."""
        found = {name: Source[value.source.upper()] for name, value in self.found.get(path, {}).items()}
        return choice.wanted(self.tracks[path], group, self.overwrite, found)

    def _answers(self, orders: Sequence[Order], group: Sequence[Annotator], stage: str) -> Iterator[Answer]:
        """Yield what is said about each song."""
        if group[0].pooled:
            return listening.together(orders, self.setup, self.job, stage)
        return listening.alone(group[0], orders, self.setup, self.job, stage)

    def _take(self, answer: Answer, wanted: Mapping[str, Annotator], group: Sequence[Annotator]) -> bool:
        """Put what was found on the disk, tell what was not, and return whether there was anything."""
        path = answer.order.song.track.path
        found, errors = _sorted_out(answer, wanted)
        if found:
            self._write(path, found)
        self._tell(path, errors, [name for name in wanted if name not in found], self._knows(path, group))
        for notice in (answer.guesses[value.annotator][name].notice for name, value in found.items()):
            if notice:
                self.job.tell(DataError(notice, path=path), severity="info", subject=path)
        return bool(found)

    def _write(self, path: str, found: Mapping[str, Found]) -> None:
        """Add values to what is known of a track, and put them on the disk where this round writes."""
        values: dict[str, Any] = {name: read_value(name, value.value) for name, value in found.items()}
        marks = {name: Mark(Source[each.source.upper()], each.confidence, each.origin) for name, each in found.items()}
        if self._outdates_times(path, marks):
            values["line_times"], marks["line_times"] = (), marks["lyrics"]
        overwrite = bool(self.overwrite)
        self.tracks[path] = Result(path, values, marks, overwrite).on(self.tracks[path])
        self.found.setdefault(path, {}).update(found)
        if self.overwrite is not None:
            manifests.append_results(self.manifest.folder, path, values, marks, overwrite=overwrite)

    def _outdates_times(self, path: str, marks: Mapping[str, Mark]) -> bool:
        """Whether new lyrics without times replace lyrics whose times are known."""
        said = self.tracks[path].source_of("line_times")
        return said is not None and "line_times" not in marks and "lyrics" in marks and said <= marks["lyrics"].source

    def _knows(self, path: str, group: Sequence[Annotator]) -> bool:
        """Whether anything that annotators fill is known of a track by now."""
        fields = {name for annotator in group for name in annotator.fields}
        return path in self.found or any(self.tracks[path].source_of(name) is not None for name in fields)

    def _tell(self, path: str, errors: Sequence[AcetuneError], missing: Sequence[str], is_known: bool) -> None:
        """Report what could not be found in a track and why; a rest that is missing is no reason to skip it."""
        for error in {error.message(): error for error in errors}.values():
            self.failures.setdefault(path, error)
            self.job.tell(error, subject=path)
        news = ", ".join(name for name in missing if name not in _OFTEN_ABSENT)
        if news and not errors:
            error = DataError("annotation.not_found", path=path, fields=news)
            if not is_known:
                self.failures.setdefault(path, error)
            self.job.tell(error, severity="info" if is_known else "warning", subject=path)


def _sorted_out(answer: Answer, wanted: Mapping[str, Annotator]) -> tuple[dict[str, Found], tuple[AcetuneError, ...]]:
    """Return the values that were asked for, as `metadata.jsonl` has them, and the reasons why others are none."""
    path = answer.order.song.track.path
    found: dict[str, Found] = {}
    errors = list(answer.errors)
    for name, annotator in wanted.items():
        guess = answer.guesses.get(annotator.name, {}).get(name)
        if guess is None:
            continue
        try:
            value = value_to_json(read_value(name, value_to_json(guess.value)))
        except ValueError:
            said = str(guess.value)[:80]
            errors.append(
                DataError("annotation.bad_value", path=path, field=name, annotator=annotator.name, value=said)
            )
            continue
        if value is not None:
            said_by = (annotator.source.name.lower(), annotator.name, guess.origin)
            found[name] = Found(path, name, value, guess.confidence, *said_by)
    return found, tuple(errors)
