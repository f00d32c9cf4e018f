"""Vectors of texts and songs, kept so that a model computes each once; deleting them is always safe.

All vectors of one model lie in a folder that is named by the content of its files: other weights, other folder. A text
is known by its own hash, so that a sentence that a person changed is computed and its old vector is dropped. A song is
known by the hash of its file and by where the model listened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from acetune import files
from acetune.errors import DataError
from acetune.files import content_hash

#: Vectors in rows, each of length 1.
Vectors: TypeAlias = npt.NDArray[np.float32]

_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
_TEXTS = "texts.safetensors"


def fingerprint(folder: Path) -> str:
    """Return 32 hexadecimal digits that change with any file that the model of a folder is made of."""
    weights = next((found for pattern in _WEIGHTS if (found := sorted(folder.glob(pattern)))), [])
    parts = [*sorted(folder.glob("*.json")), *sorted(folder.glob("*.txt")), *weights]
    return files.hash_of([(path.name, content_hash(path)) for path in dict.fromkeys(parts)])


class VectorStore:
    """The vectors of one model.

    Args:
        folder: Of all models' vectors.
        model: The model's fingerprint.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.folder = folder / model

    def texts(self, texts: Sequence[str], compute: Callable[[Sequence[str]], Vectors]) -> Vectors:
        """Return the vectors of texts, shape (texts, dimensions); only those that are not known are computed.

        Args:
            texts: In any order.
            compute: Gets each text that is not known, once.

        Raises:
            DiskFull: If there is no room.
            NotWritable: If the folder may not be written.
        """
        path = self.folder / _TEXTS
        known = _load(path)
        names = {text: hashlib.sha256(text.encode()).hexdigest() for text in texts}
        missing = [text for text, name in names.items() if name not in known]
        if missing:
            computed = zip(missing, compute(missing), strict=True)
            known = {**known, **{names[text]: vector for text, vector in computed}}
            _save(path, {name: known[name] for name in names.values()})
        return np.stack([known[names[text]] for text in texts])

    def song(self, path: Path, plan: str, compute: Callable[[], Mapping[str, Vectors]]) -> Mapping[str, Vectors]:
        """Return what was computed of a song, by name.

        Args:
            path: The audio file.
            plan: Names what is computed; another plan, other vectors.
            compute: Called if that is not known.

        Raises:
            DataError: If the song cannot be read.
            DiskFull: If there is no room.
            NotWritable: If the folder may not be written.
        """
        place = self.folder / f"{_hash_of_song(path)}-{plan}.safetensors"
        known = _load(place)
        if not known:
            known = compute()
            _save(place, known)
        return known


def _hash_of_song(path: Path) -> str:
    """Return the hash of an audio file."""
    try:
        return content_hash(path)
    except OSError as cause:
        raise DataError("audio.unreadable", path=path, cause=cause.strerror) from cause


def _load(path: Path) -> Mapping[str, Vectors]:
    """Return the vectors of a file; none where it is not there or damaged, for they can be computed again."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        loaded: Mapping[str, Vectors] = load_file(path)
    except (OSError, SafetensorError):
        return {}
    return loaded


def _save(path: Path, vectors: Mapping[str, Vectors]) -> None:
    """Write vectors, all of them or nothing."""
    from safetensors.numpy import save

    files.write_bytes(path, save({name: np.ascontiguousarray(vector) for name, vector in vectors.items()}))
