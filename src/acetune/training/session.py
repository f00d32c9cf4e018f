"""One training in memory: network, what is trained of it, optimizer, examples, and the update that makes a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_

from acetune import catalog, compute
from acetune.adapters.adapter import Adapter, Facts
from acetune.encoding.encode import EncodedSet
from acetune.families.family import Batch, ModelFamily
from acetune.families.objective import Objective
from acetune.flow import path, randomness
from acetune.planning.plan import minutes_of_music
from acetune.planning.steps import Length, pieces, run_length
from acetune.recipe import Recipe
from acetune.sections import WHOLE
from acetune.training.adaptive import AdaptiveTimes
from acetune.training.examples import Examples
from acetune.training.facts import facts_of, name_of
from acetune.training.flat import clip
from acetune.training.readings import Reading
from acetune.training.sharding import Shards, held, passes
from acetune.training.team import Team, nobody_lost
from acetune.training.together import Gather, in_company, together
from acetune.training.trainable import precision
from acetune.training.updater import Averaged, Updater, in_use, used

#: Factor of the loss with float16 weights, whose gradients would vanish below 6e-8 otherwise.
_HALF_SCALE = 2.0**14


@dataclass(frozen=True)
class Loaded:
    """A micro-batch, the place of its first crop in the step, and whether its losses count."""

    first: int
    batch: Batch
    counts: bool = True


@dataclass
class Session:
    """Everything a step needs. `bad` becomes 1 at the first loss or gradient that is no number, and stays 1.

    From then on no update is applied, so that the weights remain those of the last good step without a question to
    the device in between.
    """

    recipe: Recipe
    family: ModelFamily
    examples: Examples
    objective: Objective
    network: nn.Module
    parameters: dict[str, nn.Parameter]
    optimizer: Updater
    facts: Facts
    length: Length
    parts: str
    dtype: torch.dtype
    device: torch.device
    team: Team = field(default_factory=Team)
    shards: Shards | None = None
    bad: Tensor = field(init=False)
    ahead: tuple[int, list[Loaded]] | None = None

    def __post_init__(self) -> None:
        self.bad = torch.zeros((), device=self.device)
        self.updating = False  # whether weights are neither those before a step nor those after it
        self.loss_scale = _HALF_SCALE if self.dtype == torch.float16 else 1.0
        self.adaptive = AdaptiveTimes(self.objective, self.device) if self.objective.adaptive else None
        if self.shards:
            in_company(self)
        self._rate: Callable[[int, int, int, float], float] = catalog.resolve("schedule", self.recipe.schedule.name)

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        family: ModelFamily,
        encoded: EncodedSet,
        name: str,
        dtype: str | None = None,
        team: Team | None = None,
    ) -> Session:
        """Load the network, put a fresh adapter on it (or let all of it be trained), and lay out the steps.

        Args:
            recipe: What to train.
            family: The opened variant.
            encoded: The songs.
            name: Of the run.
            dtype: Number format of an earlier part of the run, which holds; None for the recipe's.
            team: The processes that share each step; None for this one alone.

        Raises:
            DataError: If no song is long enough.
            SettingError: If an adapter target or another name does not exist.
            OutOfMemory: If the network does not fit.
        """
        device = compute.device(recipe.compute.device)
        number_format = compute.dtype(dtype or recipe.compute.dtype, device)
        examples = Examples(encoded, recipe, family.frames_per_second, family.crop_multiple)
        objective = Objective.of(recipe, family.variant)
        facts = facts_of(recipe, family, objective, encoded, name)
        team = team or Team()
        network, parameters, shards = held(recipe, family, facts, device, number_format, team)
        music = minutes_of_music(recipe, examples.split)
        return cls(
            recipe, family, examples, objective, network.train(), parameters,
            _updater(recipe, parameters), facts, run_length(recipe, examples.steps_per_epoch, music),
            name_of(encoded),
            number_format, device, team, shards,
        )  # fmt: skip

    def adapter(self, step: int) -> Adapter:
        """Return what is trained as it is now, with its facts: a copy of an adapter, the very weights of a model."""
        weights = {name: used(self.optimizer, p) for name, p in self.parameters.items()}
        if self.shards:
            weights = dict(together(self, Gather(moments=False)))
        elif self.facts.kind != WHOLE:
            weights = {name: tensor.cpu().clone() for name, tensor in weights.items()}
        return Adapter(weights, replace(self.facts, step=step))

    def take_over(self, times: list[list[float]] | None) -> None:
        """Go on with what adaptive times had learned, where there are such."""
        if self.adaptive and times:
            self.adaptive.restore(times)

    def in_use(self) -> AbstractContextManager[None]:
        """Return a block in which the network has the weights that the adapter is used with."""
        return in_use(self.optimizer, self.parameters)

    def update(self, number: int) -> Reading:
        """Do one optimizer update; nothing in it waits for the device.

        The loss is the mean over the crops of the step, whatever their micro-batch and process, so that a short last
        one counts for what it is.

        Args:
            number: Step, counted from 0.
        """
        losses, times, squares = (_in_shards if self.shards else _in_shares)(self, number)
        loss = losses.mean()
        if self.adaptive:
            self.adaptive.learn(losses, self.bad)
        norm = self._apply(number, loss, squares)
        songs = self.examples.shown(number)
        epoch = number // self.examples.steps_per_epoch
        return Reading(number + 1, loss, norm, losses, songs, times, self.learning_rate(number), epoch)

    def backward(self, number: int, share: Sequence[Loaded] | None = None) -> tuple[Tensor, Tensor]:
        """Add the gradients of micro-batches of a step; return losses and t of all crops of the step.

        Args:
            number: Step, counted from 0.
            share: Micro-batches of the step; None for all of them. The losses of crops in none of them are 0.
        """
        share = micro_batches(self, number, Team()) if share is None else share
        count = sum(map(len, self.examples.step(number)))
        times = (self.adaptive or self.objective).times(self.recipe.data.seed, number, range(count))
        times = self.family.round_times(times, self.dtype)
        found = torch.zeros(count, device=self.device)
        for part in share:
            losses = _losses(self, part.batch, number, part.first, times)
            scale = self.loss_scale if part.counts else 0.0
            (losses.sum() / count * scale).backward()  # type: ignore[no-untyped-call]
            if part.counts:
                found[part.first : part.first + len(losses)] = losses.detach()
        return found, times

    def learning_rate(self, number: int) -> float:
        """Return the learning rate of a step counted from 0."""
        knobs = self.recipe.schedule
        return self.recipe.optim.lr * self._rate(number, self.length.steps, self.length.warmup, knobs.final)

    def _apply(self, number: int, loss: Tensor, squares: Tensor | None) -> Tensor:
        """Clip and update, unless something was no number; return the gradient norm (`squares`: see `_clip`)."""
        norm = _clip(self, squares)
        self.bad = torch.maximum(self.bad, (~torch.isfinite(norm + loss)).float())
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(number)
        self.optimizer.found_inf = self.bad
        self.updating = True
        self.optimizer.step()
        if isinstance(self.optimizer, Averaged):
            self.optimizer.follow(number)
        self.updating = False
        self.optimizer.zero_grad(set_to_none=True)
        return norm


def _in_shares(session: Session, number: int) -> tuple[Tensor, Tensor, None]:
    """Add up the gradients of a step in every process; return losses and t of its crops."""
    with session.team.agreed():
        ready, session.ahead = session.ahead, None
        share = ready[1] if ready and ready[0] == number else micro_batches(session, number, session.team)
        losses, times = session.backward(number, share)
        if number + 1 < session.length.steps:  # while the device is still busy
            session.ahead = (number + 1, micro_batches(session, number + 1, session.team))
    session.team.add_up(losses, session.parameters.values())
    return losses, times, None


def _in_shards(session: Session, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Leave in every process the gradients of its rows; return losses and t of the crops, and the squared norm."""
    assert session.shards
    with session.team.agreed():
        share = micro_batches(session, number, session.team)
    with nobody_lost(computing=True):
        losses, times = session.backward(number, share)
    found = torch.cat([losses, session.shards.collect()[None]])
    session.team.add_up(found)
    return found[:-1], times, found[-1]


def _clip(session: Session, squares: Tensor | None) -> Tensor:
    """Undo the factor of the loss and clip; return the gradient norm before clipping.

    Args:
        session: Its gradients.
        squares: Their sum with that factor, where this process has some of their rows only.
    """
    factor, limit = session.loss_scale, session.recipe.optim.clip or math.inf
    if factor != 1.0:
        torch._foreach_div_([p.grad for p in session.parameters.values() if p.grad is not None], factor)
    if squares is None:
        return clip(session.optimizer, session.parameters.values(), limit)
    norm = squares.sqrt() / factor
    clip_grads_with_norm_(session.parameters.values(), limit, norm)
    return norm


def _losses(session: Session, batch: Batch, number: int, first: int, times: Tensor) -> Tensor:
    """Return the loss of each crop of a micro-batch, (B,).

    Args:
        session: Its network predicts.
        batch: Its crops.
        number: Step, counted from 0.
        first: Place of the first crop in the step.
        times: t of all crops of the step, on the CPU.
    """
    seed = session.recipe.data.seed
    indices = range(first, first + batch.x0.shape[0])
    dropped = session.objective.dropped(seed, number, indices)
    shape = tuple(batch.x0.shape[1:])
    drawn = torch.stack([randomness.normal(shape, seed, "noise", number, i) for i in indices])
    t, dropped, noise = (
        compute.to_device(tensor, session.device) for tensor in (times[first : indices.stop], dropped, drawn)
    )
    x_t = path.noisy(batch.x0, noise, t)
    if session.recipe.adapter.dropout:
        torch.manual_seed(randomness.key(seed, "adapter dropout", number, first))
    with precision(session.facts, session.device, session.dtype):
        predicted = session.family.predict(session.network, batch, x_t, t, dropped)
    return session.objective.losses(predicted, path.velocity(batch.x0, noise), t)


def micro_batches(session: Session, number: int, team: Team) -> list[Loaded]:
    """Return the crops of a step that are ours in a team, cut and collated."""
    step = session.examples.step(number)
    mine = pieces(step, team.rank, team.size)
    batches = []
    for place, piece in enumerate(passes(step, team.rank, team.size) if session.shards else mine):
        crops = [session.examples.example(item, number, piece.first + i) for i, item in enumerate(piece.items)]
        batch = session.family.collate(crops, session.examples.constants, session.device)
        batches.append(Loaded(piece.first, batch, counts=place < len(mine)))
    return batches


def _updater(recipe: Recipe, parameters: Mapping[str, nn.Parameter]) -> Updater:
    """Return the optimizer of a recipe, with a running average of what it updates where one is asked for."""
    make: Callable[..., Updater] = catalog.resolve("optimizer", recipe.optim.name)
    plain = make(parameters.values(), recipe.optim)
    return Averaged(plain, tuple(parameters.values()), recipe.adapter.ema) if recipe.adapter.ema else plain
