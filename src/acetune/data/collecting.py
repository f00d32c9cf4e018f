"""All that the files of a folder say, song by song: files beside the songs, and files that describe many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, cast, get_args

from acetune.catalog import nearest
from acetune.data.bare_texts import TxtMeaning
from acetune.data.beside import texts_of
from acetune.data.columns import check_columns
from acetune.data.listing import Listing
from acetune.data.places import Places
from acetune.data.readings import Statement, state
from acetune.data.sets import Album, SetFile, SetRow, read_set
from acetune.data.sidecars import AMBIGUOUS, statements_beside
from acetune.errors import AcetuneError, DataError, SettingError

#: Asks a person: what it is about, and the possible answers, of which it returns one.
Ask: TypeAlias = Callable[[AcetuneError, Sequence[str]], str]
Said: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True)
class Choices:
    """What a person decided, and how the rest is decided.

    Attributes:
        txt_means: What texts are that could be a caption or lyrics.
        columns: Plain names of columns to fields.
        ask: Whom to ask; None where nobody is there.
        strict: Whether texts that nobody can tell are an error, in place of a finding.
    """

    txt_means: TxtMeaning | None = None
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ask: Ask | None = None
    strict: bool = False


def choose(
    txt_means: str | None, columns: Mapping[str, str] | None, ask: Ask | None = None, *, strict: bool = False
) -> Choices:
    """Return choices as a person made them.

    Args:
        txt_means: What ambiguous texts are.
        columns: Column to field, in any spelling of the column.
        ask: Whom to ask.
        strict: Whether texts that nobody can tell are an error.

    Raises:
        SettingError: If there is no such meaning or field.
    """
    if txt_means not in (None, *get_args(TxtMeaning)):
        raise SettingError("import.no_meaning", meaning=txt_means)
    return Choices(cast("TxtMeaning | None", txt_means), check_columns(columns or {}), ask, strict)


@dataclass(frozen=True)
class Collected:
    """What is said.

    Attributes:
        songs: Absolute path of each audio file to what its files say.
        sets: The files that describe many songs, and how each was read.
        album: What is said about the whole.
        findings: What could not be read or used.
        doubtful: Texts that could be a caption or lyrics, and nobody said which.
    """

    songs: Mapping[Path, Said]
    sets: Mapping[Path, str]
    album: Album
    findings: tuple[AcetuneError, ...]
    doubtful: frozenset[Path]


def collect(listing: Listing, places: Places, choices: Choices, named: Path | None = None) -> Collected:
    """Return what the files of a folder say about its songs.

    Args:
        listing: The files.
        places: The audio that rows may mean.
        choices: How doubts are decided.
        named: The one file that describes the songs, of which only its own count; None for all files of the folder.

    Raises:
        DataError: If `named` describes no songs, or (strict) nobody can tell what a text is.
        MissingDependency: If a package is needed to read `named`.
        SettingError: If a person named a column that no table has.
    """
    files = texts_of(listing.audio, listing.siblings)
    taken = {file for own in files.values() for file in own.values()}
    sets, findings = _read_sets(listing, taken, choices, named)
    rows = _Rows(places, choices.ask)
    findings += [finding for one in sets for finding in rows.take(one)]
    audio = dict.fromkeys([*(listing.audio if named is None else ()), *rows.said])
    files |= texts_of([song for song in audio if song not in files], listing.siblings)
    told, doubtful = _tell({song: files[song] for song in audio}, choices, listing.root)
    if doubtful:
        findings.append(_doubt(doubtful, listing.root))
    return Collected(
        MappingProxyType({song: (*rows.said.get(song, ()), *told[song]) for song in audio}),
        MappingProxyType({one.path: one.layout for one in sets if one.rows}),
        next((one.album for one in sets if one.album != Album()), Album()),
        tuple(findings),
        frozenset(doubtful),
    )


def _read_sets(
    listing: Listing, taken: Iterable[Path], choices: Choices, named: Path | None
) -> tuple[list[SetFile], list[AcetuneError]]:
    """Return the files that describe many songs, and what is to be said of them."""
    if named is not None:
        sets, findings = [read_set(named, choices.columns)], list[AcetuneError]()
    else:
        sets, findings = _try_sets([*listing.saved, *sorted({*listing.others}.difference(taken))], choices)
    found = [one for one in sets if one is not None]
    findings += [finding for one in found for finding in one.findings]
    if named is not None and not any(one.rows for one in found):
        raise findings[0] if findings else DataError("import.no_set", path=named)
    columns = frozenset(name for one in found for name in one.columns)
    for name in choices.columns.keys() - columns:
        hint = nearest(name, tuple(columns))
        raise SettingError("import.no_column", column=name, known=", ".join(sorted(columns)) or "-", hint=hint)
    return found, findings


def _try_sets(paths: Iterable[Path], choices: Choices) -> tuple[list[SetFile | None], list[AcetuneError]]:
    """Return what can be read of some files; the others are findings."""
    sets: list[SetFile | None] = []
    findings: list[AcetuneError] = []
    for path in paths:
        try:
            sets.append(read_set(path, choices.columns))
        except AcetuneError as finding:
            findings.append(finding)
    return sets, findings


class _Rows:
    """What the rows of many files say, by the audio that they mean."""

    def __init__(self, places: Places, ask: Ask | None) -> None:
        self._places, self._ask = places, ask
        self.said: dict[Path, Said] = defaultdict(tuple)

    def take(self, one: SetFile) -> list[AcetuneError]:
        """Add the rows of a file, and return what is to be said of those that mean no audio or too many."""
        lost: list[str] = []
        findings: list[AcetuneError] = []
        folder = one.path if one.path.is_dir() else one.path.parent
        for row in one.rows:
            found = self._places.find(row.row.claims, folder)
            if len(found) > 1:
                doubt = DataError("import.two_files", path=one.path, place=row.place, files=", ".join(map(str, found)))
                findings += [] if self._ask else [doubt]
                found = (Path(self._ask(doubt, [*map(str, found)])),) if self._ask else ()
            elif not found:
                lost.append(next(iter(row.row.claims), row.place))
            for audio in found:
                self.said[audio] += (_statement(one, row),)
        if lost:
            findings.append(DataError("import.rows_lost", path=one.path, count=len(lost), first=lost[0]))
        return findings


def _statement(one: SetFile, row: SetRow) -> Statement:
    """Return what a row says; a row that is repeated counts as often."""
    said = state(row.row, one.path, one.layout, one.kind)
    own = said.values.get("repeats", 1)
    if row.count == 1 or not isinstance(own, int):
        return said
    return replace(said, values=MappingProxyType({**said.values, "repeats": own * row.count}))


def _tell(
    files: Mapping[Path, Mapping[str, Path]], choices: Choices, root: Path
) -> tuple[dict[Path, Said], list[Path]]:
    """Return what the files beside each song say, and the texts that remain in doubt."""
    told = {song: statements_beside(own, choices.txt_means) for song, own in files.items()}
    doubtful = {said.file: song for song, own in told.items() for said in own if said.layout == AMBIGUOUS}
    meaning = _decide(_doubt([*doubtful], root), choices) if doubtful else None
    for song in doubtful.values():
        known = tuple(said for said in told[song] if said.layout != AMBIGUOUS)
        told[song] = statements_beside(files[song], meaning) if meaning else known
    return told, [] if meaning else [*doubtful]


def _doubt(texts: Sequence[Path], root: Path) -> DataError:
    """Return the question what texts are."""
    return DataError("import.txt_ambiguous", folder=root, count=len(texts), example=texts[0].name)


def _decide(doubt: AcetuneError, choices: Choices) -> TxtMeaning | None:
    """Return what a person says that ambiguous texts are; None where that is a finding.

    Raises:
        AcetuneError: If it is an error.
    """
    if choices.ask is not None:
        return cast("TxtMeaning", choices.ask(doubt, get_args(TxtMeaning)))
    if choices.strict:
        raise doubt
    return None
