"""The verb `generate`: audio from captions, lyrics and other audio, with and without adapters.

Conditions come from the same code as in training; steps, shift and guidance are the variant's own unless told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from acetune import compute
from acetune.errors import SettingError
from acetune.events import Job, PreviewReady, Progress, StageEnded, StageStarted
from acetune.families.family import ModelFamily, Part
from acetune.flow import randomness
from acetune.flow.solvers import calls
from acetune.generation.mark import mark_of
from acetune.generation.material import Material, gather
from acetune.generation.pieces import frames_of, repainted, write_marked, write_piece
from acetune.generation.planned import Piece, pieces_of
from acetune.generation.request import Request, checked, recipe_of
from acetune.generation.sample import sample_led
from acetune.generation.windows import window_seconds
from acetune.generation.worn import Worn, put_on, worn
from acetune.recipe import family_of
from acetune.workspace import Workspace


def generate(
    request: Request | Sequence[Request], *, home: str | Path | None = None, job: Job | None = None
) -> tuple[Path, ...]:
    """Generate audio files.

    Args:
        request: What to generate; several must share model and adapters, which are loaded once.
        home: Workspace folder.
        job: Hears the progress; can stop between steps.

    Returns:
        The files written, requests outside, then seeds, then strengths.

    Raises:
        SettingError: For values that make no sense, and tasks that the variant cannot do.
        DataError: If a source cannot be read.
        WrongAdapter: If an adapter does not fit the network.
        MissingDependency: If the weights are not here and may not be fetched.
        OutOfMemory: If the device has no room.
        Stopped: If asked to. Pieces that are finished are written whatever ends it.
    """
    job = job or Job()
    requests = tuple(checked(one) for one in ([request] if isinstance(request, Request) else request))
    if not requests:
        raise SettingError("generation.nothing")
    card, variant = family_of(requests[0].variant)
    adapters = worn(requests[0], job)
    pieces = pieces_of(requests, adapters, variant.sampling)
    total = sum(calls(piece.sampling.solver, piece.sampling.steps) for piece in pieces)
    job.report(StageStarted(stage="generate", total=total, unit="steps"))
    family: ModelFamily = card.open(recipe_of(requests[0]), Workspace.at(home).models, job)
    material, constants = gather(family, requests, Workspace.at(home).models, job)
    made: list[tuple[Piece, Tensor]] = []
    try:
        for piece in _sampled(family, pieces, (material, constants), adapters, _Steps(job, total)):
            made.append(piece)
    finally:  # whatever ends it, what is finished is not lost
        _write_all(family, made, material, adapters, job)
    job.report(StageEnded(stage="generate", result={"files": [str(piece.path) for piece in pieces]}))
    return tuple(piece.path for piece in pieces)


class _Steps:
    """Reports sampling steps and stops between them."""

    def __init__(self, job: Job, total: int) -> None:
        self.job, self.done, self.total = job, 0, total

    def __call__(self) -> None:
        """Count one step."""
        self.done += 1
        self.job.report(Progress(stage="generate", done=self.done, total=self.total))
        self.job.check_stop("generate")


def _sampled(
    family: ModelFamily,
    pieces: Sequence[Piece],
    given: tuple[Sequence[Material], Part],
    adapters: Sequence[Worn],
    after_step: _Steps,
) -> Iterator[tuple[Piece, Tensor]]:
    """Yield each piece with its latents (T, C); the network is gone at the end."""
    device = compute.device(pieces[0].request.device)
    network = family.load_network(device, compute.dtype(pieces[0].request.dtype, device))
    set_strengths = put_on(network, adapters) if adapters else None
    try:
        for piece in pieces:
            if set_strengths is not None:
                set_strengths(piece.strengths)
            frames = frames_of(piece.request.length, family.frames_per_second)
            noise = randomness.normal((frames, family.variant.size.channels), piece.seed, "generate")
            steps = piece.sampling.steps
            lead = given[0][piece.place].lead(piece.request, noise, family.frames_per_second, steps)
            yield piece, sample_led(family, network, lead, given[1], piece.sampling, after_step)[0].cpu()
    finally:
        del network
        compute.release(device)


def _write_all(
    family: ModelFamily,
    made: Sequence[tuple[Piece, Tensor]],
    material: Sequence[Material],
    adapters: Sequence[Worn],
    job: Job,
) -> None:
    """Write the pieces that were made, each whole."""
    if not made:
        return
    codec = family.load_codec(compute.device(made[0][0].request.device))
    for piece, latents in made:
        request, source = piece.request, material[piece.place].source
        audio, mark = codec.decode(latents), mark_of(piece, adapters, family.fingerprint)
        if request.task == "repaint" and source is not None:
            write_marked(piece.path, repainted(audio, source.audio, *window_seconds(request)), mark)
        else:
            write_piece(piece.path, audio, request.length, mark)
        job.report(
            PreviewReady(path=str(piece.path), caption=request.caption, strength=piece.strength, seed=piece.seed)
        )
