"""Songs that came encoded: one safetensors file each, which stands in a data set in place of audio.

Such a file never changes. Its header says who encoded it and what text its conditions were encoded from, so that a
text that a person changed afterwards is noticed and not overruled by old conditions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acetune.data.listing import ENCODED_SUFFIX
from acetune.data.track import Track
from acetune.errors import DataError
from acetune.files import content_hash, draft_file, hash_of
from acetune.storage import save_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from acetune.families.family import Prompt

_VERSION: Final = 1
_HEADER = "acetune"


@dataclass(frozen=True)
class Facts:
    """What the header of an encoded song says.

    Attributes:
        family: Whose latents and conditions these are.
        trainer: Which trainer encoded it, "unknown" where its file did not show it.
        dtype: Number format in which that trainer saved it.
        source: Content hash of that trainer's file.
        old_lyrics: Whether the lyrics lack the header that inference gives them.
        leaked: Whether the trainer's file showed the answer; the parts kept here do not.
        text: Name of the text that the conditions were encoded from, without its lyrics.
        lyrics: Name of those lyrics.
    """

    family: str
    trainer: str
    dtype: str
    source: str
    old_lyrics: bool
    leaked: bool
    text: str
    lyrics: str


def is_encoded(track: Track) -> bool:
    """Whether a track is an encoded song and no audio."""
    return track.path.endswith(ENCODED_SUFFIX)


def name_of_text(prompt: Prompt) -> str:
    """Return what names a prompt's text. Its length is no part: a song that is cut keeps its conditions."""
    return hash_of(prompt.caption, prompt.bpm, prompt.keyscale, prompt.timesignature)


def name_of_lyrics(prompt: Prompt) -> str:
    """Return what names a prompt's lyrics."""
    return hash_of(prompt.lyrics, prompt.language)


def write(path: Path, facts: Facts, latents: Tensor, conditions: Tensor | None) -> str:
    """Write an encoded song, whole or not at all, and return its content hash; the same song gives the same bytes.

    Args:
        path: The file.
        facts: What is known of it.
        latents: Music (T, C).
        conditions: Lyrics, timbre and text (L, D) without padding; None if they shall be encoded from the text.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    tensors = {"latents": latents} if conditions is None else {"latents": latents, "conditions": conditions}
    # One entry: safetensors writes several in any order, and then no two files are equal.
    header = {_HEADER: json.dumps({"version": _VERSION, **asdict(facts)}, sort_keys=True)}
    with draft_file(path) as draft:
        save_tensors(draft, tensors, header)
    return content_hash(path)


def read(path: Path, track: Track) -> tuple[Facts, dict[str, Tensor]]:
    """Return the facts and tensors of the encoded song of a track.

    Raises:
        DataError: If the file is not there, is not the one that was imported, or a newer acetune wrote it.
    """
    with _opened(path, track) as song:
        facts = _facts((song.metadata() or {}).get(_HEADER), track)
        return facts, {name: song.get_tensor(name) for name in song.keys()}  # noqa: SIM118 - no mapping


@contextmanager
def _opened(path: Path, track: Track) -> Iterator[Any]:
    """Open the file of a track, having checked that it is the one that was imported."""
    from safetensors import SafetensorError, safe_open

    try:
        if content_hash(path) != track.audio_sha256:
            raise DataError("tensors.changed", path=track.path)
        with safe_open(path, "pt") as song:
            yield song
    except OSError as cause:
        raise DataError("tensors.unreadable", path=track.path, cause=cause.strerror or cause) from cause
    except SafetensorError as cause:
        raise DataError("tensors.unreadable", path=track.path, cause=cause) from cause


def _facts(header: str | None, track: Track) -> Facts:
    """Return what a header says.

    Raises:
        DataError: If it is missing, not ours, or newer than this acetune.
    """
    try:
        values = json.loads(header or "")
        version = values.pop("version")
        facts = Facts(**values) if version == _VERSION else None
    except (ValueError, AttributeError, KeyError, TypeError) as cause:
        raise DataError("tensors.unreadable", path=track.path, cause="it has no header of acetune") from cause
    if facts is None:
        raise DataError("tensors.newer", path=track.path, version=version, known=_VERSION)
    return facts
