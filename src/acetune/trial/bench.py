"""What the checks of a self-test share: a model, a made-up song, a scratch folder, and a short training on the song."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from acetune import compute
from acetune.adapters.adapter import Adapter, Facts
from acetune.audio import files as audio_files
from acetune.audio.signal import Samples
from acetune.audio.songs import RATE_HZ, demo_songs, render
from acetune.data.scan import scan
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet, encode_set, load_dataset
from acetune.events import Job
from acetune.families.family import FamilyCard, ModelFamily
from acetune.files import write_text
from acetune.planning.adapters import layout
from acetune.recipe import Recipe, family_of, resolve
from acetune.run import Run
from acetune.training import checkpoint
from acetune.training.checkpoint import State
from acetune.training.examples import Unit
from acetune.training.session import Session
from acetune.training.validate import Losses, Validator

#: Of the song: all of it is one crop, so that what is trained is what is measured.
SECONDS = 8.0
#: Steps of the training on it; half of them lie before the checkpoint.
STEPS = 40
#: What a training on one song needs; a rate that moves any network within so few steps.
_KNOBS = {
    "data.crop_seconds": SECONDS, "data.batch_size": 1, "data.holdout": 0, "data.latents": "mean", "adapter.rank": 8,
    "adapter.alpha": 8.0, "optim.lr": 5e-4, "schedule.name": "constant", "schedule.warmup": 0, "schedule.steps": STEPS,
}  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A training on one song.

    Attributes:
        adapter: What came of it.
        base, after: Losses of the song on fixed noise, by t, before and after it.
        losses: Of each step.
        seconds: Of one step.
        half: Checkpoint in its middle.
    """

    adapter: Adapter
    base: Losses
    after: Losses
    losses: tuple[float, ...]
    seconds: float
    half: Path


@dataclass(frozen=True)
class Bench:
    """A model that is looked at; its parts are loaded when a check asks for them.

    Attributes:
        model: What is tested and where.
        models: The workspace's folder of weights.
        scratch: An empty folder.
        job: Hears of downloads; can stop.
    """

    model: Recipe
    models: Path
    scratch: Path
    job: Job

    @cached_property
    def card(self) -> FamilyCard:
        """The card of the model's family."""
        card: FamilyCard = family_of(self.model.model.variant)[0]
        return card

    @cached_property
    def family(self) -> ModelFamily:
        """The model, its weights found (raises as `FamilyCard.open`)."""
        return self.card.open(self.model, self.models, self.job)

    @cached_property
    def device(self) -> torch.device:
        """Where it is tested."""
        return compute.device(self.model.compute.device)

    @cached_property
    def dtype(self) -> torch.dtype:
        """Number format of the frozen weights."""
        return compute.dtype(self.model.compute.dtype, self.device)

    @cached_property
    def song(self) -> Samples:
        """The song (samples, 2) at 48 kHz."""
        return render(replace(demo_songs()[0], seconds=SECONDS))[: round(SECONDS * RATE_HZ)]

    @cached_property
    def recipe(self) -> Recipe:
        """How the song is trained on."""
        folder = self.scratch / "song"
        folder.mkdir()
        audio_files.write(folder / "song.flac", self.song, RATE_HZ)
        write_text(folder / "song.caption.txt", demo_songs()[0].caption + "\n")
        scan(folder)
        layers = [("model", self.model.model_dump(mode="json")), ("selftest", {**_KNOBS, "data.dataset": str(folder)})]
        return resolve(layers).recipe

    @cached_property
    def encoded(self) -> EncodedSet:
        """The song with every part in a cache of its own (raises as `encode`)."""
        cache, job = Cache(self.scratch / "cache"), Job(stop_requested=self.job.stop_requested)
        return encode_set(load_dataset(self.recipe), self.recipe, self.family, cache, job)[0]

    @cached_property
    def facts(self) -> Facts:
        """Of an adapter of this model."""
        adapter, variant = self.recipe.adapter, self.family.variant
        return Facts(
            kind=adapter.kind,
            rank=adapter.rank,
            alpha=adapter.alpha,
            modules=tuple(layout(adapter, self.card, variant.size).layers),
            family=self.card.name,
            variant=variant.name,
            fingerprint=self.family.fingerprint,
            name="selftest",
        )

    def session(self) -> Session:
        """Return a fresh training on the song."""
        compute.release(self.device)
        return Session.build(self.recipe, self.family, self.encoded, "selftest")

    @cached_property
    def trained(self) -> Trained:
        """A training on the song, with a checkpoint in the middle."""
        session = self.session()
        validator = self._validator(session)
        base = validator.losses(session.network, 0, session.dtype)
        started = time.perf_counter()
        losses = [float(session.update(number).loss) for number in range(STEPS // 2)]
        seconds = (time.perf_counter() - started) / len(losses)
        half = self._save(session, STEPS // 2)
        losses += [float(session.update(number).loss) for number in range(STEPS // 2, STEPS)]
        after = validator.losses(session.network, STEPS, session.dtype)
        return Trained(session.adapter(STEPS), base, after, tuple(losses), seconds, half)

    def _validator(self, session: Session) -> Validator:
        """Return what measures the loss of the song that is trained on."""
        song = session.examples.songs[0]
        unit = Unit("song", ((song.parts, 0, song.cuts.crop),))
        return Validator(session.family, session.examples, session.objective, (unit,), 0, session.device)

    def _save(self, session: Session, step: int) -> Path:
        """Write a checkpoint."""
        dtype = str(session.dtype).removeprefix("torch.")
        state = State(step, None, None, torch.get_num_threads(), dtype, session.parts)
        run = Run(self.scratch / "run")
        return checkpoint.save(run, state, session.adapter(step), session.optimizer, session.parameters)
