"""Listening to previews for people: do they have the tempo, key and language of the prompt, and are they copied songs?

Tempo and key are heard by the same signal estimators that annotate songs, the language of singing by the recogniser
that writes down lyrics, where its weights are on this machine (`acetune.training.singing`). A preview counts as a copy
where its fingerprint is that of a song which was trained on (`acetune.audio.fingerprint`): the recording itself. It
counts as an imitation where it has the notes of one (`acetune.annotation.melody`), and the base network's piece has
not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, cast

from acetune import files
from acetune.annotation import melody
from acetune.annotation.annotator import ANALYSIS_RATE_HZ, Setup
from acetune.annotation.key import key
from acetune.annotation.language import UNKNOWN
from acetune.annotation.melody import Notes
from acetune.annotation.tempo import rhythm
from acetune.audio import files as audio_files
from acetune.audio.fingerprint import RATE_HZ, Fingerprint, find_twins, fingerprint
from acetune.audio.signal import resample
from acetune.data.keys import is_same, parse_keyscale
from acetune.errors import DataError, SettingError
from acetune.events import Job, Json
from acetune.families.family import Prompt
from acetune.run import Run
from acetune.training.singing import languages

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
    """What is heard in a piece.

    Attributes:
        bpm, keyscale: None for what signal estimators cannot tell.
        language: Code; empty text where no word was understood, None where nobody listened for words.
    """

    bpm: float | None
    keyscale: str | None
    language: str | None = None


@dataclass(frozen=True)
class Copy:
    """A preview that is a song which was trained on; `errors` is the bit error rate of their fingerprints."""

    song: str
    piece: str
    errors: float


@dataclass(frozen=True)
class Imitation:
    """A preview with the chords and melody of a song which was trained on, and how alike they are (at most 1)."""

    song: str
    piece: str
    likeness: float


@dataclass(frozen=True)
class Sound:
    """What pieces and songs are compared by."""

    fingerprint: Fingerprint
    notes: Notes


def listen(
    run: Run, pieces: Sequence[Piece], songs: Mapping[str, Path], step: int, job: Job, setup: Setup | None = None
) -> None:
    """Write evaluation/audition.json about the previews of a step, and say if one is a copied or imitated song.

    A stop leaves it out.

    Args:
        run: Where.
        pieces: To listen to; nothing is done without any.
        songs: Audio of the songs that were trained on, by the path that people know.
        step: Of the adapter that is heard.
        job: Is told of copies; can stop it.
        setup: Where the weights of annotators are; None where no language is to be heard.
    """
    if not pieces:
        return
    compared = dict(list(songs.items())[:_MOST_SONGS])
    known = {name: sound for name, path in compared.items() if (sound := _known(path, job)) is not None}
    if job.stop_requested():
        return
    before, after = ({run.relative(p.after): _sound(getattr(p, side)) for p in pieces} for side in ("before", "after"))
    copies = copied(known, after)
    imitations = imitated(known, before, {name: after[name] for name in after.keys() - {c.piece for c in copies}})
    rows = [_row(piece, *heard) for piece, heard in zip(pieces, _heard(pieces, setup, job), strict=True)]
    content = {
        "version": 1, "step": step, "pieces": rows, "songs": len(songs), "compared": len(known),
        "copies": [asdict(copy) for copy in copies], "imitations": [asdict(found) for found in imitations],
    }  # fmt: skip
    files.write_json(run.evaluation / f"{FILE}.json", cast("Json", content))
    for copy in copies:
        job.tell(SettingError("evaluate.copied", piece=copy.piece, song=copy.song, step=step), subject=copy.song)
    for found in imitations:
        job.tell(SettingError("evaluate.imitated", **asdict(found), step=step), subject=found.song)


def _heard(pieces: Sequence[Piece], setup: Setup | None, job: Job) -> Iterator[tuple[Heard, Heard]]:
    """Yield what is heard in each piece, before and after."""
    sung = [path for piece in pieces if _asked_language(piece.prompt) for path in (piece.before, piece.after)]
    known = languages(sung, setup, job) if setup else {}
    for piece in pieces:
        before, after = (replace(hear(path), language=known.get(path)) for path in (piece.before, piece.after))
        yield before, after


def _asked_language(prompt: Prompt) -> str | None:
    """Return the language in which a prompt wants its words sung; None where there are none, or it is unknown."""
    return prompt.language if prompt.lyrics and prompt.language != UNKNOWN else None


def hear(path: Path) -> Heard:
    """Return tempo and key of a piece."""
    audio = audio_files.read_mono(path, ANALYSIS_RATE_HZ)
    beat, tonality = rhythm(audio), key(audio)
    return Heard(round(beat.bpm, 1) if beat else None, tonality.keyscale if tonality else None)


def obeys(prompt: Prompt, heard: Heard) -> dict[str, bool | None]:
    """Return whether a piece has the tempo, key and language of its prompt; None where none was asked for.

    Half and double of the tempo count, as a bar can be tapped either way; a key has to have tonic and mode. Of a
    language that nobody listened for, None is told too.
    """
    language = _asked_language(prompt) if heard.language is not None else None
    bpm, asked, tonality = prompt.bpm, parse_keyscale(prompt.keyscale or ""), heard.keyscale
    tempo = bool(bpm and heard.bpm and any(abs(heard.bpm / (bpm * at) - 1) <= _SAME_TEMPO for at in _LEVELS))
    return {
        "bpm": tempo if bpm else None,
        "keyscale": bool(tonality and is_same(asked, tonality)) if asked else None,
        "language": heard.language == language if language else None,
    }


def copied(songs: Mapping[str, Sound], pieces: Mapping[str, Sound]) -> tuple[Copy, ...]:
    """Return which pieces are which songs, by fingerprint; the same recording begins anywhere, at its own speed."""
    names, found = [*songs, *pieces], []
    for twins in find_twins([sound.fingerprint for sound in (*songs.values(), *pieces.values())]):
        low, high = sorted((twins.first, twins.second))
        if low < len(songs) <= high:
            found.append(Copy(names[low], names[high], round(twins.errors, 4)))
    return tuple(found)


def imitated(
    songs: Mapping[str, Sound], before: Mapping[str, Sound], after: Mapping[str, Sound]
) -> tuple[Imitation, ...]:
    """Return which pieces have the notes of which songs, most alike first.

    What the base network played from the same prompt and noise must not be as alike: then it is the style's, or the
    prompt's, and nothing that was learned by heart.
    """
    found = []
    for name, piece in sorted(after.items()):
        for song, sound in songs.items():
            likeness = melody.likeness(piece.notes, sound.notes)
            if likeness >= melody.ALIKE > melody.likeness(before[name].notes, sound.notes):
                found.append(Imitation(song, name, round(likeness, 3)))
    return tuple(sorted(found, key=lambda imitation: -imitation.likeness))


def _known(path: Path, job: Job) -> Sound | None:
    """Return what a song is compared by; None where it cannot be read any more, or somebody stopped it."""
    if job.stop_requested():
        return None
    try:
        return _sound(path)
    except DataError:
        return None


def _sound(path: Path) -> Sound:
    """Return what a file is compared by; its notes only where it is long enough to be told by them."""
    audio = audio_files.read_mono(path, ANALYSIS_RATE_HZ)
    lasting = len(audio) >= melody.LEAST_SECONDS * ANALYSIS_RATE_HZ
    return Sound(fingerprint(resample(audio, ANALYSIS_RATE_HZ, RATE_HZ)), melody.notes(audio if lasting else audio[:0]))


def _row(piece: Piece, before: Heard, after: Heard) -> dict[str, Json]:
    """Return what was asked and what is heard, as JSON can hold it."""
    sides = {"before": before, "after": after}
    heard: dict[str, Json] = {
        side: {**asdict(found), "obeys": cast("Json", obeys(piece.prompt, found))} for side, found in sides.items()
    }
    prompt = piece.prompt
    asked: dict[str, Json] = {
        "bpm": prompt.bpm, "keyscale": prompt.keyscale, "language": _asked_language(prompt)
    }  # fmt: skip
    return {"caption": prompt.caption, "seed": piece.seed, "asked": asked, **heard}
