"""Takes songs that came encoded into the cache: their latents, and their conditions where these still hold.

Conditions hold for one text and one set of encoder weights. Where a person changed the text since, or the checkpoint
is another one, the text is encoded anew like that of any song; the latents are good for every checkpoint of a family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from acetune.data.manifest import Manifest
from acetune.encoding import encoded_songs
from acetune.encoding.parts import TrackParts
from acetune.errors import DataError
from acetune.events import Job
from acetune.families.conditioner import Conditioner
from acetune.families.family import ModelFamily, Part
from acetune.recipe import Recipe, family_of

if TYPE_CHECKING:
    from torch import Tensor


#: What may become of conditions, and how much it matters.
_FINDINGS = MappingProxyType(
    {"tensors.other_checkpoint": "warning", "tensors.other_text": "info", "tensors.same_checkpoint": "info"}
)
_NAMES = MappingProxyType({"text": encoded_songs.name_of_text, "lyrics": encoded_songs.name_of_lyrics})


def latents_of(p: TrackParts, manifest: Manifest, recipe: Recipe, family: ModelFamily) -> dict[str, Tensor]:
    """Return the latents of an encoded song as the cache keeps them, up to the recipe's longest length.

    Their spread is zero: what a trainer stored is one draw, and every visit sees this one.

    Raises:
        DataError: If the file is not the imported one, or of another family or width.
    """
    import torch

    facts, tensors = encoded_songs.read(manifest.audio(p.track), p.track)
    name, size = family_of(recipe.model.variant)[0].name, family.variant.size
    if facts.family != name:
        raise DataError("tensors.other_family", path=p.track.path, found=facts.family, wanted=name)
    mean = tensors["latents"][: int(recipe.data.max_seconds * family.frames_per_second)].clone()
    if mean.shape[1] != size.channels:
        raise DataError(
            "tensors.other_width", path=p.track.path, found=mean.shape[1], wanted=size.channels,
            variant=family.variant.name,
        )  # fmt: skip
    return {"mean": mean, "std": torch.zeros_like(mean)}


@dataclass(frozen=True)
class _Song:
    """An encoded song: the names of its text and its lyrics, and their parts where they are of this checkpoint."""

    path: str
    names: Mapping[str, str]
    parts: Mapping[str, Part]


class Adoption:
    """Conditions of the encoded songs of a data set, for one checkpoint."""

    def __init__(self, manifest: Manifest, conditioner: Conditioner) -> None:
        self._manifest, self._conditioner = manifest, conditioner
        self._last: _Song | None = None
        self._found: dict[str, dict[str, None]] = {code: {} for code in _FINDINGS}

    def part(self, kind: str, p: TrackParts, form: str) -> Part | None:
        """Return a part of a track as it came; None if it is to be encoded from the text.

        Args:
            kind: "text" or "lyrics".
            p: The track.
            form: Caption form of the text.

        Raises:
            DataError: If the track's file is not the imported one.
        """
        if not encoded_songs.is_encoded(p.track):
            return None
        song = self._song(p)
        if kind not in song.parts:
            return None
        asked = _NAMES[kind](p.prompts[form])
        same = asked == song.names[kind]
        if same or form == "caption":  # its tags are another text by nature
            self._found["tensors.same_checkpoint" if same else "tensors.other_text"].setdefault(p.track.path)
        return song.parts[kind] if same else None

    def report(self, job: Job) -> None:
        """Say what became of the conditions."""
        for code, songs in self._found.items():
            if songs:
                first = next(iter(songs))
                job.tell(DataError(code, count=len(songs), first=first), severity=_FINDINGS[code], subject=first)

    def _song(self, p: TrackParts) -> _Song:
        """Return the encoded song of a track; its text and its lyrics are asked for one after the other."""
        if self._last is None or self._last.path != p.track.path:
            facts, tensors = encoded_songs.read(self._manifest.audio(p.track), p.track)
            parts: dict[str, Part] = {}
            if "conditions" in tensors:
                adopted = self._conditioner.adopt(tensors["conditions"])
                if adopted is None:
                    self._found["tensors.other_checkpoint"].setdefault(p.track.path)
                else:
                    parts = {"lyrics": adopted[0], "text": adopted[1]}
            self._last = _Song(p.track.path, {"text": facts.text, "lyrics": facts.lyrics}, parts)
        return self._last
