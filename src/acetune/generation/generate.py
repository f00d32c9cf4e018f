"""The verb `generate`: audio from a caption and lyrics, with and without an adapter.

Conditions come from the same code as in training; steps, shift and guidance are the variant's own unless told.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from acetune import compute
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter
from acetune.audio import files as audio_files
from acetune.audio import signal
from acetune.audio.signal import Samples
from acetune.errors import SettingError, WrongAdapter
from acetune.events import Job, PreviewReady, Progress, StageEnded, StageStarted
from acetune.families.adapter_names import read_adapter
from acetune.families.family import Example, ModelFamily, Prompt
from acetune.families.variant import Sampling
from acetune.flow import randomness
from acetune.generation.sample import sample
from acetune.recipe import Recipe, family_of, resolve
from acetune.workspace import Workspace

#: Seconds that the models were trained for; shorter and longer pieces are allowed but said to be unusual.
_USUAL_SECONDS = (10.0, 600.0)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to generate. One piece for each seed and strength.

    Attributes:
        caption: Style, instruments, mood, the trigger word included.
        lyrics: Words with section tags; None for instrumental.
        language, bpm, keyscale, timesignature: As in a data set; None for unknown.
        seconds: Length.
        variant, model_path: Which network, and where its weights are.
        adapter: An adapter that acetune wrote.
        strengths: Of the adapter: 0 is the base network, 1 what was trained.
        seeds: Of the starting noise.
        steps, shift, guidance: None for what is right for the variant.
        out: A .wav, .flac or .ogg file, or a folder; the current folder where None.
        device, dtype: As the knobs of these names.
    """

    caption: str
    lyrics: str | None = None
    language: str | None = None
    bpm: float | None = None
    keyscale: str | None = None
    timesignature: str | None = None
    seconds: float = 30.0
    variant: str = "tiny"
    model_path: str | None = None
    adapter: str | Path | None = None
    strengths: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    steps: int | None = None
    shift: float | None = None
    guidance: float | None = None
    out: str | Path | None = None
    device: str = "auto"
    dtype: str = "auto"


def generate(request: Request, *, home: str | Path | None = None, job: Job | None = None) -> tuple[Path, ...]:
    """Generate audio files.

    Args:
        request: What to generate.
        home: Workspace folder.
        job: Hears the progress; can stop between steps.

    Returns:
        The files written, seeds outside, strengths inside.

    Raises:
        SettingError: For values that make no sense.
        WrongAdapter: If the adapter does not fit the network.
        MissingDependency: If the weights are not here and may not be fetched.
        Stopped: If asked to; finished files stay.
    """
    job = job or Job()
    recipe, targets = _check(request)
    workspace = Workspace.at(home)
    card, variant = family_of(request.variant)
    adapter = _adapter(request, variant.name)
    total = len(targets) * _sampling(request, variant.sampling).steps
    job.report(StageStarted(stage="generate", total=total, unit="steps"))
    family: ModelFamily = card.open(recipe, workspace.models, job)
    latents = _sample_all(family, request, adapter, job, total)
    codec = family.load_codec(compute.device(request.device))
    for (seed, strength, path), piece in zip(targets, latents, strict=True):
        audio = signal.peak_normalise(codec.decode(piece))
        audio_files.write(path, _exact(audio, request.seconds), comment=_mark(request, seed, strength))
        job.report(PreviewReady(path=str(path), caption=request.caption, strength=strength, seed=seed))
    job.report(StageEnded(stage="generate", result={"files": [str(path) for _, _, path in targets]}))
    return tuple(path for _, _, path in targets)


def _check(request: Request) -> tuple[Recipe, tuple[tuple[int, float, Path], ...]]:
    """Return recipe and (seed, strength, file) of each piece, refusing what makes no sense."""
    if not 0 < request.seconds <= _USUAL_SECONDS[1]:
        raise SettingError("generation.seconds", seconds=request.seconds, longest=_USUAL_SECONDS[1])
    for name in ("steps", "shift", "guidance"):
        value = getattr(request, name)
        if value is not None and not 0 < value <= 1000:
            raise SettingError("generation.bad_value", name=name, value=value)
    if request.bpm is not None and not math.isfinite(request.bpm):
        raise SettingError("generation.bad_value", name="bpm", value=request.bpm)
    if request.adapter is None and request.strengths != (1.0,) and any(request.strengths):
        raise SettingError("generation.no_adapter")
    layer = {
        "model.variant": request.variant, "model.path": request.model_path,
        "compute.device": request.device, "compute.dtype": request.dtype,
    }  # fmt: skip
    pieces = [(seed, strength) for seed in request.seeds for strength in request.strengths]
    targets = tuple((seed, strength, _target(request, seed, strength, len(pieces))) for seed, strength in pieces)
    return resolve([("request", layer)]).recipe, targets


def _target(request: Request, seed: int, strength: float, count: int) -> Path:
    """Return the file of one piece; several pieces are told apart by seed and strength."""
    out = Path(request.out or "")
    parts = [request.variant, *([f"x{strength:g}"] if request.adapter else []), f"seed{seed}"]
    if out.suffix.lower() in audio_files.WRITE_SUFFIXES:
        return out if count == 1 else out.with_name(f"{out.stem}-{'-'.join(parts[1:])}{out.suffix}")
    if out.suffix and not out.is_dir():
        raise SettingError("generation.suffix", suffix=out.suffix, known=" ".join(sorted(audio_files.WRITE_SUFFIXES)))
    return _free(out / f"acetune-{'-'.join(parts)}.flac")


def _free(path: Path) -> Path:
    """Return this file, or the first of -2, -3, ... that does not exist: nothing made earlier is lost."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return free


def _adapter(request: Request, variant: str) -> Adapter | None:
    """Return the request's adapter.

    Raises:
        WrongAdapter: If it belongs to another family or to a network of other sizes.
    """
    if request.adapter is None:
        return None
    adapter = read_adapter(Path(request.adapter))
    trained_card, trained = family_of(adapter.facts.variant)
    card, used = family_of(variant)
    if trained_card.name != card.name or trained.size != used.size:
        raise WrongAdapter("adapter.other_base", trained=trained.name, used=used.name)
    return adapter


def _sampling(request: Request, usual: Sampling) -> Sampling:
    """Return how to sample: the variant's way where the request leaves it open."""
    return Sampling(
        steps=request.steps or usual.steps,
        shift=request.shift or usual.shift,
        guidance=usual.guidance if request.guidance is None else request.guidance,
    )


def _sample_all(family: ModelFamily, request: Request, adapter: Adapter | None, job: Job, total: int) -> list[Tensor]:
    """Return the latents of every piece; encoders are gone before the network is loaded, and that after."""
    device = compute.device(request.device)
    conditioner = family.load_conditioner(device)
    prompt = Prompt(
        request.caption, request.lyrics, request.language, request.bpm, request.keyscale, request.timesignature,
        request.seconds,
    )  # fmt: skip
    text, lyrics, constants = conditioner.text(prompt), conditioner.lyrics(prompt), conditioner.constants()
    del conditioner
    compute.release(device)
    network = family.load_network(device, compute.dtype(request.dtype, device))
    if adapter is not None:
        attach.attach_trained(network, adapter)
    frames = math.ceil(request.seconds * family.frames_per_second)
    sampling = _sampling(request, family.variant.sampling)
    done: list[Tensor] = []
    for seed in request.seeds:
        noise = randomness.normal((frames, family.variant.size.channels), seed, "generate")
        example = Example(noise, text, lyrics)
        for strength in request.strengths:
            if adapter is not None:
                attach.set_strength(network, adapter.facts, strength)
            report = _Steps(job, len(done) * sampling.steps, total)
            done.append(sample(family, network, example, constants, sampling, report)[0].cpu())
    del network
    compute.release(device)
    return done


class _Steps:
    """Reports sampling steps and stops between them."""

    def __init__(self, job: Job, done: int, total: int) -> None:
        self.job, self.done, self.total = job, done, total

    def __call__(self) -> None:
        """Count one step."""
        self.done += 1
        self.job.report(Progress(stage="generate", done=self.done, total=self.total))
        self.job.check_stop("generate")


def _exact(audio: Samples, seconds: float) -> Samples:
    """Cut to the asked length: latents come in whole frames."""
    return audio[: round(seconds * 48_000)]


def _mark(request: Request, seed: int, strength: float) -> str:
    """Return the machine-readable mark of generated audio; no caption or lyrics, which may be private."""
    return json.dumps(
        {
            "generated_by": "acetune",
            "ai_generated": True,
            "variant": request.variant,
            "seed": seed,
            "strength": strength,
        }
    )
