"""What is known of a trained checkpoint without torch and without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from acetune.planning.memory import NetworkSize


@dataclass(frozen=True)
class Repository:
    """Where published weights come from: hub id, wanted files (glob patterns), download size, licence."""

    id: str
    patterns: tuple[str, ...]
    size_bytes: int
    licence: str


@dataclass(frozen=True)
class Sampling:
    """How a variant wants to be sampled, or somebody wants it to be.

    Attributes:
        steps: Of the solver.
        shift: Of the times.
        guidance: 1 is none.
        solver: A name of `acetune.flow.solvers.solver`.
        guide: How guidance is reckoned, a name of `Samplings.guides`.
        guidance_lyrics: Guidance of the lyrics alone, for the guide that tells it from that of the caption.
        guidance_interval: Share of the steps that are guided, around the middle; None for what is usual.
        against: What guidance compares with, a name of `Samplings.against`.
    """

    steps: int
    shift: float
    guidance: float
    solver: str = "euler"
    guide: str = "apg"
    guidance_lyrics: float = 1.0
    guidance_interval: float | None = None
    against: str = "nothing"


@dataclass(frozen=True)
class Samplings:
    """What a variant lets choose; the default is nothing.

    Attributes:
        solvers, guides, against: Values of the fields of `Sampling`.
        intervals: Whether a share of the steps can be guided.
    """

    solvers: tuple[str, ...] = ("euler",)
    guides: tuple[str, ...] = ("apg",)
    against: tuple[str, ...] = ("nothing",)
    intervals: bool = False


@dataclass(frozen=True)
class Variant:
    """One trained checkpoint of a family, torch-free.

    Attributes:
        name: What users type.
        summary: One sentence for people.
        size: Sizes of its network, for the planner.
        timesteps: How t was drawn when it was trained (a value of ``objective.timesteps``).
        condition_dropout: Share of training crops that it saw without conditions.
        sampling: Right steps, shift and guidance.
        samplings: What else it can be sampled with.
        repositories: Where its weights are published; empty for embedded variants.
        aliases: Other names that users may type, folder names of the official app among them.
        recipe: Its own defaults for knobs, nested by section.
        tasks: What it can be asked to do (names of `acetune.families.tasks.Task`).
        taught: Whether its network learned music: published ones did, most embedded ones are random.
    """

    name: str
    summary: str
    size: NetworkSize
    timesteps: str
    condition_dropout: float
    sampling: Sampling
    repositories: tuple[Repository, ...] = ()
    aliases: tuple[str, ...] = ()
    recipe: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    tasks: tuple[str, ...] = ("text2music",)
    samplings: Samplings = field(default_factory=Samplings)
    taught: bool = True

    @property
    def embedded(self) -> bool:
        """Whether acetune makes the weights itself, from a seed."""
        return not self.repositories
