"""What a network is given for each piece: encoded prompts, and the music that some tasks begin with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acetune import compute
from acetune.annotation import checkpoints
from acetune.annotation.annotator import Setup
from acetune.audio import files as audio_files
from acetune.audio.signal import Samples
from acetune.errors import SettingError
from acetune.events import Job
from acetune.families.codecs import Recoder
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
        plan: Rough latents (T, C) that a planning model made for it; None where none was asked.
    """

    text: Part
    plain: Part | None
    lyrics: Part
    source: Source | None
    plan: Tensor | None = None

    def lead(self, request: Request, noise: Tensor, frames_per_second: float, steps: int) -> Lead:
        """Return what leads a sampling from this noise (T, C)."""
        window = window_of(request, frames_per_second)
        example = Example(noise, self.text, self.lyrics, window=window, hidden=request.task == "repaint")
        if self.source is None:
            return Lead(replace(example, context=self.plan))
        if self.plain is not None:  # the official app leaves the codes after this share of the steps
            covered = replace(example, context=self.source.rough)
            later = Example(noise, self.plain, self.lyrics)
            return Lead(covered, later, math.floor(steps * request.cover_strength))
        kept = self.source.latents if request.task == "repaint" else None
        handed = self.source.latents if self.source.rough is None else self.source.rough
        return Lead(replace(example, context=handed), kept=kept)


def gather(family: ModelFamily, requests: Sequence[Request], models: Path, job: Job) -> tuple[list[Material], Part]:
    """Return what leads each request, and the constants of the checkpoint; every encoder is gone when this returns.

    Args:
        family: Encodes.
        requests: They share device and checkpoint.
        models: The workspace's folder of weights.
        job: Can stop a planning model.

    Raises:
        SettingError: If a cover or a plan is asked for and the checkpoint has no codes.
        DataError: If a source cannot be read, or weights are of another kind.
        MissingDependency: If the weights of the planning model are not here.
    """
    device = compute.device(requests[0].device)
    sources = _sources(family, requests)
    plans = _plans(family, requests, Setup(models, models), job)
    conditioner = family.load_conditioner(device)
    given = zip(requests, sources, plans, strict=True)
    found = [replace(_material(conditioner, request, source), plan=plan) for request, source, plan in given]
    constants = conditioner.constants()
    del conditioner
    compute.release(device)
    return found, constants


def _material(conditioner: Conditioner, request: Request, source: Source | None) -> Material:
    """Return what leads one request."""
    prompt = _prompt(request)
    leaves = request.task == COVER.name and request.cover_strength < 1
    plain = conditioner.text(prompt) if leaves else None
    return Material(_text(conditioner, request, prompt), plain, conditioner.lyrics(prompt), source)


def _prompt(request: Request) -> Prompt:
    """Return what a request asks of the network."""
    return Prompt(
        request.caption, request.lyrics, request.language, request.bpm, request.keyscale, request.timesignature,
        request.length,
    )  # fmt: skip


def _text(conditioner: Conditioner, request: Request, prompt: Prompt) -> Part:
    """Return the part of the text; nothing is said of a task where there is only one.

    A plan is handed over as the codes of a cover are: that is what the network was trained to be told then.
    """
    if request.thinking:
        return conditioner.text(prompt, COVER)
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
    device = compute.device(requests[0].device)
    recoder = _recoder(family, device)
    found = [
        replace(source, rough=recoder.recode(source.latents)) if source and request.task == COVER.name else source
        for request, source in zip(requests, sources, strict=True)
    ]
    del recoder
    compute.release(device)
    return found


def _plans(family: ModelFamily, requests: Sequence[Request], setup: Setup, job: Job) -> list[Tensor | None]:
    """Return the plan (T, C) of each request that wants one."""
    if not any(request.thinking for request in requests):
        return [None] * len(requests)
    folder = checkpoints.own(setup, "codes")
    device = compute.device(requests[0].device)
    recoder = _recoder(family, device)
    found = [_plan(family, recoder, request, folder, job) if request.thinking else None for request in requests]
    del recoder
    compute.release(device)
    return found


def _plan(family: ModelFamily, recoder: Recoder, request: Request, folder: Path, job: Job) -> Tensor:
    """Return the plan of one request, exactly as long as its piece."""
    frames = frames_of(request.length, family.frames_per_second)
    return recoder.compose(_prompt(request), folder, request.seeds[0], job)[:frames]


def _recoder(family: ModelFamily, device: torch.device) -> Recoder:
    """Return what makes rough music.

    Raises:
        SettingError: If the checkpoint has none.
    """
    if family.codes_fingerprint is None:
        raise SettingError("generation.no_codes", variant=family.variant.name)
    return family.load_recoder(device)


def _as_long(audio: Samples, count: int) -> Samples:
    """Return audio of so many samples: cut, or with silence behind it."""
    return np.pad(audio[:count], ((0, max(0, count - len(audio))), (0, 0)))
