"""Music while training: the same prompts with the same noise, from the base network on.

Nothing of it reaches the training: noise follows from the seed, and the network is left as it was. Prompts are encoded
before the network is loaded; the codec is loaded for each preview and gone after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from torch import Tensor

from acetune import compute, files
from acetune.annotation.annotator import Setup
from acetune.data.lyric_windows import lyrics_between
from acetune.data.split import split
from acetune.data.wordings import MAIN
from acetune.encoding.encode import EncodedSet
from acetune.encoding.encoded_songs import is_encoded
from acetune.encoding.parts import TrackParts
from acetune.errors import OutOfMemory, SettingError
from acetune.events import Job, Json, PreviewReady
from acetune.families.family import Example, ModelFamily, Part, Prompt
from acetune.families.tasks import COVER
from acetune.flow import randomness
from acetune.generation.pieces import frames_of, write_piece
from acetune.generation.sample import sample
from acetune.planning.missing import captions
from acetune.planning.previews import preview_steps
from acetune.recipe import Recipe
from acetune.run import Run
from acetune.sections import PreviewSection
from acetune.training.audition import Piece, listen
from acetune.training.session import Session
from acetune.training.together import as_base
from acetune.training.trainable import precision

#: Control file that asks for previews now.
NOW: Final = "preview_now"


@dataclass(frozen=True)
class Asked:
    """One piece to make each time: its prompt, encoded, and the seed of its noise.

    Attributes:
        context: Rough music (T, C) of the prompt's song, as ComfyUI hands it over by default; None for none.
    """

    prompt: Prompt
    seed: int
    text: Part
    lyrics: Part
    context: Tensor | None = None


def asked(encoded: EncodedSet, recipe: Recipe, family: ModelFamily) -> tuple[Asked, ...]:
    """Return what is to be previewed, encoded as generation encodes it; nothing where previews are off.

    Raises:
        SettingError: If the file of prompts cannot be read or is empty.
    """
    if not recipe.preview.every:
        return ()
    plain = prompts_of(encoded, recipe)
    coded = _coded(encoded, recipe, family) if recipe.objective.code_share else ()
    device = compute.device(recipe.compute.device)
    conditioner = family.load_conditioner(device)
    pieces = [Asked(prompt, 0, conditioner.text(prompt), conditioner.lyrics(prompt)) for prompt in plain]
    pieces += [
        Asked(prompt, 0, conditioner.text(prompt, COVER), conditioner.lyrics(prompt), context)
        for prompt, context in coded
    ]
    del conditioner
    compute.release(device)
    seeds = range(recipe.data.seed, recipe.data.seed + recipe.preview.seeds)
    return tuple(replace(piece, seed=seed) for piece in pieces for seed in seeds)


def prompts_of(encoded: EncodedSet, recipe: Recipe) -> tuple[Prompt, ...]:
    """Return the prompts of a file, else those of songs: held-out ones first (raises as `asked`)."""
    knobs = recipe.preview
    if knobs.prompts is not None:
        nothing = {"lyrics": None, "language": None, "bpm": None, "keyscale": None, "timesignature": None}
        return tuple(Prompt(caption=line, seconds=knobs.seconds, **nothing) for line in captions(Path(knobs.prompts)))
    return tuple(_prompt(p, knobs) for p in _songs(encoded, recipe))


def _songs(encoded: EncodedSet, recipe: Recipe) -> list[TrackParts]:
    """Return the songs whose prompts are taken: held-out ones first."""
    divided = split([p.track for p in encoded.parts], recipe.data.holdout, recipe.data.seed)
    by_path = {p.track.path: p for p in encoded.parts}
    return [by_path[track.path] for track in (*divided.validation, *divided.train)][: recipe.preview.songs]


def _coded(encoded: EncodedSet, recipe: Recipe, family: ModelFamily) -> list[tuple[Prompt, Tensor]]:
    """Return songs' prompts with the beginning of their rough versions, which a training with codes has encoded."""
    found = []
    for p in _songs(encoded, recipe):
        prompt = _prompt(p, recipe.preview)
        frames = frames_of(prompt.seconds, family.frames_per_second)
        rough = encoded.cache.read("context", p.context, slice(0, frames))["mean"] if p.context else None
        if rough is not None and len(rough) == frames:
            found.append((prompt, rough))
    return found


def _prompt(p: TrackParts, knobs: PreviewSection) -> Prompt:
    """Return what a song asks for at the length of a preview."""
    prompt = p.prompts[MAIN]
    seconds = float(max(1, int(min(prompt.seconds, knobs.seconds))))
    lyrics = lyrics_between(p.track, 0.0, seconds) if prompt.lyrics else None
    return replace(prompt, seconds=seconds, lyrics=lyrics)


class Previews:
    """Makes the pieces of a run when they are due.

    Args:
        run: Where they go.
        session: Whose network sounds.
        pieces: What to make; empty where previews are off.
        job: Hears of them.
    """

    def __init__(self, run: Run, session: Session, pieces: Sequence[Asked], job: Job) -> None:
        self._run, self._session, self._pieces, self._job = run, session, pieces, job

    def base(self, start: int) -> None:
        """Make what the base network makes of the prompts, unless it is there already."""
        missing = [piece for piece in self._pieces if not self._path(piece, 0).is_file()]
        if missing:
            with as_base(self._session, start):
                self._make(missing, 0, 0.0)

    def is_due(self, step: int) -> bool:
        """Whether `after` will make something at this step."""
        every = self._session.recipe.preview.every
        due = every > 0 and (step % every == 0 or step == self._session.length.steps)
        return due or (self._run.folder / "control" / NOW).exists()

    def after(self, step: int) -> None:
        """Make the pieces of a step if they are due."""
        due = self.is_due(step)
        if self._run.asked(NOW) and not self._pieces:
            self._job.tell(SettingError("preview.off"))
        if due and self._pieces:
            with self._session.in_use():
                self._make(self._pieces, step, 1.0)

    def _make(self, pieces: Sequence[Asked], step: int, strength: float) -> None:
        """Make pieces; where the memory does not suffice, say so and make none any more."""
        try:
            latents = [self._sampled(piece) for piece in pieces]
            codec = self._session.family.load_codec(self._session.device)
            for piece, music in zip(pieces, latents, strict=True):
                path = self._path(piece, step)
                mark: dict[str, Json] = {
                    "variant": self._session.family.variant.name,
                    "seed": piece.seed,
                    "strength": strength,
                }
                coded = piece.context is not None
                write_piece(path, codec.decode(music), piece.prompt.seconds, {**mark, "step": step})
                self._job.report(
                    PreviewReady(
                        path=self._run.relative(path), caption=piece.prompt.caption, strength=strength,
                        seed=piece.seed, step=step, coded=coded,
                    )
                )  # fmt: skip
            del codec
        except RuntimeError as error:
            if not compute.is_out_of_memory(error):
                raise
            self._pieces = ()
            self._job.tell(OutOfMemory("preview.memory", step=step))
        compute.release(self._session.device)

    def _sampled(self, piece: Asked) -> Tensor:
        """Return the latents of a piece (T, C) on the CPU; the network's mode is left as it was."""
        session, family = self._session, self._session.family
        shape = (frames_of(piece.prompt.seconds, family.frames_per_second), family.variant.size.channels)
        example = Example(randomness.normal(shape, piece.seed, "generate"), piece.text, piece.lyrics, piece.context)
        usual = family.variant.sampling
        sampling = replace(usual, steps=preview_steps(session.recipe, usual.steps))
        training = session.network.training
        session.network.eval()
        with precision(session.facts, session.device, session.dtype):
            found = sample(family, session.network, example, session.examples.constants, sampling, _nothing)
        session.network.train(training)
        return found[0].cpu()

    def _path(self, piece: Asked, step: int) -> Path:
        """Return the file of a piece at a step."""
        kind = "-codes" if piece.context is not None else ""
        return _path_of(self._run, piece.prompt, f"{piece.seed}{kind}", step)


def audition(run: Run, session: Session, encoded: EncodedSet, step: int, setup: Setup, job: Job) -> None:
    """Listen to the previews of a step, where there are any: see `acetune.training.audition`."""
    pieces = _pairs(run, session.recipe, encoded, step) if session.recipe.preview.every else ()
    tracks = [song.parts.track for song in session.examples.songs if not is_encoded(song.parts.track)]
    listen(run, pieces, {track.path: encoded.manifest.audio(track) for track in tracks}, step, job, setup)


def _pairs(run: Run, recipe: Recipe, encoded: EncodedSet, step: int) -> tuple[Piece, ...]:
    """Return the previews of a step that are there, each with the base network's; not those handed a song's codes."""
    seeds = range(recipe.data.seed, recipe.data.seed + recipe.preview.seeds)
    found = [
        Piece(prompt, seed, *(_path_of(run, prompt, str(seed), at) for at in (0, step)))
        for prompt in prompts_of(encoded, recipe)
        for seed in seeds
    ]
    return tuple(piece for piece in found if piece.before.is_file() and piece.after.is_file())


def _path_of(run: Run, prompt: Prompt, seed: str, step: int) -> Path:
    """Return the file of a piece at a step."""
    return run.previews / f"{step:06d}-{files.hash_of(vars(prompt))[:6]}-seed{seed}.ogg"


def _nothing() -> None:
    """Do nothing between two sampling steps: a stop waits for the preview."""
