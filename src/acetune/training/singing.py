"""The language that previews are sung in, where a recogniser is on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from acetune.annotation import checkpoints
from acetune.annotation.annotator import Setup
from acetune.annotation.recognisers import (
    RATE_HZ,
    Recogniser,
    is_converted,
    lack_of_faster_whisper,
    opened_recogniser,
)
from acetune.audio import files as audio_files
from acetune.errors import DataError, MissingDependency, OutOfMemory, Stopped
from acetune.events import Job

_RECOGNISER: Final = "whisper"
#: The trained network fills the accelerator; previews are few and short.
_DEVICE: Final = "cpu"


def languages(pieces: Sequence[Path], setup: Setup, job: Job) -> Mapping[Path, str]:
    """Return the language code of each piece; empty text where no word was understood.

    None is told on a machine without weights of the annotator `whisper` (or what runs them), nor where somebody stops
    it or it cannot be run: a training that is done does not fail for that.

    Args:
        pieces: Audio files.
        setup: Where weights are.
        job: Can stop it; is told why it cannot be run.
    """
    folder = _weights(setup) if pieces else None
    if folder is None:
        return {}
    try:
        with opened_recogniser(folder, _DEVICE, job) as recogniser:
            return {piece: _language(recogniser, piece, job) for piece in pieces}
    except Stopped:
        return {}
    except (DataError, OutOfMemory) as error:
        job.tell(error)
        return {}


def _language(recogniser: Recogniser, piece: Path, job: Job) -> str:
    """Return the language of a piece; empty text where no word was understood."""
    job.check_stop(_RECOGNISER)
    said = recogniser.hear(audio_files.read_mono(piece, RATE_HZ), seed=0, job=job)
    return (said.language or "") if said.lines else ""


def _weights(setup: Setup) -> Path | None:
    """Return the folder of the recogniser; None where it cannot be used here."""
    try:
        folder = checkpoints.own(setup, _RECOGNISER)
    except (MissingDependency, DataError):
        return None
    return None if is_converted(folder) and lack_of_faster_whisper(folder) else folder
