"""The verb `generate`: audio from a caption and lyrics, with and without an adapter.

Conditions come from the same code as in training; steps, shift and guidance are the variant's own unless told.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from acetune import compute
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter
from acetune.errors import WrongAdapter
from acetune.events import Job, Json, PreviewReady, Progress, StageEnded, StageStarted
from acetune.families.adapter_names import read_adapter
from acetune.families.family import Example, ModelFamily, Prompt
from acetune.families.variant import Sampling
from acetune.flow import randomness
from acetune.generation.pieces import frames_of, write_piece
from acetune.generation.request import Request, checked, recipe_of, targets_of
from acetune.generation.sample import sample
from acetune.recipe import family_of
from acetune.workspace import Workspace


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
    request = checked(request)
    recipe, targets = recipe_of(request), targets_of(request)
    workspace = Workspace.at(home)
    card, variant = family_of(request.variant)
    adapter = _adapter(request, variant.name)
    total = len(targets) * _sampling(request, variant.sampling).steps
    job.report(StageStarted(stage="generate", total=total, unit="steps"))
    family: ModelFamily = card.open(recipe, workspace.models, job)
    latents = _sample_all(family, request, adapter, job, total)
    codec = family.load_codec(compute.device(request.device))
    for (seed, strength, path), piece in zip(targets, latents, strict=True):
        mark: dict[str, Json] = {"variant": request.variant, "seed": seed, "strength": strength}
        write_piece(path, codec.decode(piece), request.seconds, mark)
        job.report(PreviewReady(path=str(path), caption=request.caption, strength=strength, seed=seed))
    job.report(StageEnded(stage="generate", result={"files": [str(path) for _, _, path in targets]}))
    return tuple(path for _, _, path in targets)


def _adapter(request: Request, variant: str) -> Adapter | None:
    """Return the request's adapter.

    Raises:
        WrongAdapter: If it belongs to another family or to a network of other sizes.
    """
    if request.adapter is None:
        return None
    adapter = read_adapter(Path(request.adapter), variant)
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
    frames = frames_of(request.seconds, family.frames_per_second)
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
