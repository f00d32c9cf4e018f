"""Listening to previews for people: do they have the tempo and key that were asked for, and are they copied songs?

Tempo and key are heard by the same signal estimators that annotate songs. A preview counts as a copy where its
fingerprint is that of a song which was trained on (`acetune.audio.fingerprint`): the recording itself, not its style.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

from acetune import files
from acetune.annotation.annotator import ANALYSIS_RATE_HZ
from acetune.annotation.key import key
from acetune.annotation.tempo import rhythm
from acetune.audio import files as audio_files
from acetune.audio.fingerprint import RATE_HZ, Fingerprint, find_twins, fingerprint
from acetune.data.keys import is_same, parse_keyscale
from acetune.errors import DataError, SettingError
from acetune.events import Job, Json
from acetune.families.family import Prompt
from acetune.run import Run

#: Name of the file in a run's evaluation folder.
FILE: Final = "audition"
#: Songs that previews are compared with: each has to be decoded.
_MOST_SONGS: Final = 200
_SAME_TEMPO: Final = 0.04  # as a share
#: The beat of a bar may be tapped at half or double speed, and estimators do.
_LEVELS: Final = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Piece:
    """One prompt as it sounds with the base network and with the adapter, from the same noise."""

    prompt: Prompt
    seed: int
    before: Path
    after: Path


@dataclass(frozen=True)
class Heard:
    """What signal estimators hear in a piece; None for what they cannot tell."""

    bpm: float | None
    keyscale: str | None


@dataclass(frozen=True)
class Copy:
    """A preview that is a song which was trained on; `errors` is the bit error rate of their fingerprints."""

    song: str
    piece: str
    errors: float


def listen(run: Run, pieces: Sequence[Piece], songs: Mapping[str, Path], step: int, job: Job) -> None:
    """Write evaluation/audition.json about the previews of a step, and say if one is a copy; a stop leaves it out.

    Args:
        run: Where.
        pieces: To listen to; nothing is done without any.
        songs: Audio of the songs that were trained on, by the path that people know.
        step: Of the adapter that is heard.
        job: Is told of copies; can stop it.
    """
    if not pieces:
        return
    compared = dict(list(songs.items())[:_MOST_SONGS])
    known = {name: words for name, path in compared.items() if (words := _words(path, job)) is not None}
    if job.stop_requested():
        return
    copies = copied(known, {run.relative(piece.after): _fingerprint(piece.after) for piece in pieces})
    rows = [_row(piece, hear(piece.before), hear(piece.after)) for piece in pieces]
    content = {
        "version": 1, "step": step, "pieces": rows, "songs": len(songs), "compared": len(known),
        "copies": [asdict(copy) for copy in copies],
    }  # fmt: skip
    files.write_json(run.evaluation / f"{FILE}.json", cast("Json", content))
    for copy in copies:
        job.tell(SettingError("evaluate.copied", piece=copy.piece, song=copy.song, step=step), subject=copy.song)


def hear(path: Path) -> Heard:
    """Return tempo and key of a piece."""
    audio = audio_files.read_mono(path, ANALYSIS_RATE_HZ)
    beat, tonality = rhythm(audio), key(audio)
    return Heard(round(beat.bpm, 1) if beat else None, tonality.keyscale if tonality else None)


def obeys(prompt: Prompt, heard: Heard) -> dict[str, bool | None]:
    """Return whether a piece has the tempo and the key of its prompt; None where none was asked for.

    Half and double of the tempo count, as a bar can be tapped either way; a key has to have tonic and mode.
    """
    bpm, asked, tonality = prompt.bpm, parse_keyscale(prompt.keyscale or ""), heard.keyscale
    tempo = bool(bpm and heard.bpm and any(abs(heard.bpm / (bpm * at) - 1) <= _SAME_TEMPO for at in _LEVELS))
    return {
        "bpm": tempo if bpm else None,
        "keyscale": bool(tonality and is_same(asked, tonality)) if asked else None,
    }


def copied(songs: Mapping[str, Fingerprint], pieces: Mapping[str, Fingerprint]) -> tuple[Copy, ...]:
    """Return which pieces are which songs, by fingerprint; the same recording begins anywhere, at its own speed."""
    return tuple(_copies(songs, pieces))


def _copies(songs: Mapping[str, Fingerprint], pieces: Mapping[str, Fingerprint]) -> Iterator[Copy]:
    """Yield each copy once."""
    names = [*songs, *pieces]
    for twins in find_twins([*songs.values(), *pieces.values()]):
        low, high = sorted((twins.first, twins.second))
        if low < len(songs) <= high:
            yield Copy(names[low], names[high], round(twins.errors, 4))


def _words(path: Path, job: Job) -> Fingerprint | None:
    """Return the fingerprint of a song; None where it cannot be read any more, or somebody stopped it."""
    if job.stop_requested():
        return None
    try:
        return _fingerprint(path)
    except DataError:
        return None


def _fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a file."""
    return fingerprint(audio_files.read_mono(path, RATE_HZ))


def _row(piece: Piece, before: Heard, after: Heard) -> dict[str, Json]:
    """Return what was asked and what is heard, as JSON can hold it."""
    sides = {"before": before, "after": after}
    heard: dict[str, Json] = {
        side: {**asdict(found), "obeys": cast("Json", obeys(piece.prompt, found))} for side, found in sides.items()
    }
    asked: dict[str, Json] = {"bpm": piece.prompt.bpm, "keyscale": piece.prompt.keyscale}
    return {"caption": piece.prompt.caption, "seed": piece.seed, "asked": asked, **heard}
