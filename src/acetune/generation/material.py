"""What a network is given for each piece: encoded prompts, and the music that some tasks begin with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from acetune import compute
from acetune.audio import files as audio_files
from acetune.audio.signal import Samples
from acetune.errors import SettingError
from acetune.families.conditioner import Conditioner
from acetune.families.family import Example, ModelFamily, Part, Prompt
from acetune.families.tasks import COVER
from acetune.generation.pieces import frames_of
from acetune.generation.request import Request
from acetune.generation.sample import Lead
from acetune.generation.windows import task_of, window_of


@dataclass(frozen=True)
class Source:
    """The music that a task begins with.

    Attributes:
        audio: Samples (n, 2) at 48 kHz, as long as the piece; silence behind its own end.
        latents: Its latents (T, C).
        rough: The latents of its 5 Hz codes, for a cover; else None.
    """

    audio: Samples
    latents: Tensor
    rough: Tensor | None = None


@dataclass(frozen=True)
class Material:
    """What leads the pieces of one request.

    Attributes:
        text: Part of instruction, caption and metas.
        plain: The same as if nothing but music were asked for; None where that is never needed.
        lyrics: Part of the lyrics.
        source: Where there is one.
    """

    text: Part
    plain: Part | None
    lyrics: Part
    source: Source | None

    def lead(self, request: Request, noise: Tensor, frames_per_second: float, steps: int) -> Lead:
        """Return what leads a sampling from this noise (T, C)."""
        window = window_of(request, frames_per_second)
        example = Example(noise, self.text, self.lyrics, window=window, hidden=request.task == "repaint")
        if self.source is None:
            return Lead(example)
        if self.plain is not None:  # the official app leaves the codes after this share of the steps
            covered = replace(example, context=self.source.rough)
            later = Example(noise, self.plain, self.lyrics)
            return Lead(covered, later, math.floor(steps * request.cover_strength))
        kept = self.source.latents if request.task == "repaint" else None
        handed = self.source.latents if self.source.rough is None else self.source.rough
        return Lead(replace(example, context=handed), kept=kept)


def gather(family: ModelFamily, requests: Sequence[Request]) -> tuple[list[Material], Part]:
    """Return what leads each request, and the constants of the checkpoint; every encoder is gone when this returns.

    Raises:
        SettingError: If a cover is asked for and the checkpoint has no codes.
        DataError: If a source cannot be read.
    """
    device = compute.device(requests[0].device)
    sources = _sources(family, requests)
    conditioner = family.load_conditioner(device)
    found = [_material(conditioner, request, source) for request, source in zip(requests, sources, strict=True)]
    constants = conditioner.constants()
    del conditioner
    compute.release(device)
    return found, constants


def _material(conditioner: Conditioner, request: Request, source: Source | None) -> Material:
    """Return what leads one request."""
    prompt = Prompt(
        request.caption, request.lyrics, request.language, request.bpm, request.keyscale, request.timesignature,
        request.length,
    )  # fmt: skip
    leaves = request.task == COVER.name and request.cover_strength < 1
    plain = conditioner.text(prompt) if leaves else None
    return Material(_text(conditioner, request, prompt), plain, conditioner.lyrics(prompt), source)


def _text(conditioner: Conditioner, request: Request, prompt: Prompt) -> Part:
    """Return the part of the text; nothing is said of a task where there is only one."""
    return conditioner.text(prompt) if request.source is None else conditioner.text(prompt, task_of(request))


def _sources(family: ModelFamily, requests: Sequence[Request]) -> list[Source | None]:
    """Return the music that each request begins with; the same music is encoded once."""
    device = compute.device(requests[0].device)
    wanted = {(request.source, request.length) for request in requests if request.source is not None}
    if not wanted:
        return [None] * len(requests)
    codec = family.load_codec(device)
    read: dict[object, Source] = {}
    for path, seconds in sorted(wanted, key=str):
        audio = _as_long(audio_files.read(Path(str(path)), max_seconds=seconds), round(seconds * 48_000))
        frames = frames_of(seconds, family.frames_per_second)
        hop = round(48_000 / family.frames_per_second)
        read[path, seconds] = Source(audio, codec.encode(_as_long(audio, frames * hop))[0])
    del codec
    compute.release(device)
    found = [read.get((request.source, request.length)) for request in requests]
    return _with_codes(family, requests, found)


def _with_codes(
    family: ModelFamily, requests: Sequence[Request], sources: Sequence[Source | None]
) -> list[Source | None]:
    """Return sources that have the latents of their codes where a cover is asked for."""
    if not any(request.task == COVER.name for request in requests):
        return list(sources)
    if family.codes_fingerprint is None:
        raise SettingError("generation.no_codes", variant=family.variant.name)
    device = compute.device(requests[0].device)
    recoder = family.load_recoder(device)
    found = [
        replace(source, rough=recoder.recode(source.latents)) if source and request.task == COVER.name else source
        for request, source in zip(requests, sources, strict=True)
    ]
    del recoder
    compute.release(device)
    return found


def _as_long(audio: Samples, count: int) -> Samples:
    """Return audio of so many samples: cut, or with silence behind it."""
    return np.pad(audio[:count], ((0, max(0, count - len(audio))), (0, 0)))
