"""A third family in one file: block means as latents, hashed words as conditions, two linear layers as network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from acetune.errors import SettingError
from acetune.events import Job
from acetune.families.family import Batch, Example, Part, Prompt
from acetune.families.variant import Sampling, Variant
from acetune.flow.guidance import Course, EveryStep
from acetune.flow.timesteps import schedule
from acetune.planning.memory import NetworkSize
from acetune.recipe import Recipe
from acetune.sections import FamilySection

HOP, WIDTH, CHANNELS = 4800, 12, 4  # ten frames a second
SIZE = NetworkSize(
    hidden=WIDTH, intermediate=WIDTH, layers=1, heads=1, kv_heads=1, head_dim=WIDTH, condition_width=WIDTH,
    channels=CHANNELS, patch=1, frames_per_second=10.0,
)  # fmt: skip
VARIANT = Variant(
    name="toy", summary="two layers", size=SIZE, timesteps="uniform", condition_dropout=0.1,
    sampling=Sampling(steps=3, shift=1.0, guidance=2.0), recipe={"adapter": {"targets": "mix"}},
)  # fmt: skip


class Network(nn.Module):
    """Velocity from noisy latents, time and one condition vector."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(CHANNELS + 1 + WIDTH, WIDTH)
        self.mix = nn.Linear(WIDTH, CHANNELS)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        frames = x.shape[1]
        time = t[:, None, None].expand(-1, frames, 1)
        return self.mix(torch.tanh(self.enter(torch.cat([x, time, condition[:, None].expand(-1, frames, -1)], dim=-1))))


class Codec:
    """Block means of both channels and of their absolute values."""

    def whole(self) -> Codec:
        return self

    def encode(self, audio: np.ndarray) -> tuple[Tensor, Tensor]:
        blocks = torch.from_numpy(audio[: len(audio) // HOP * HOP]).view(-1, HOP, 2)
        mean = torch.cat([blocks.mean(1), blocks.abs().mean(1)], dim=1) * 10
        return mean, torch.full_like(mean, 0.01)

    def decode(self, latents: Tensor) -> np.ndarray:
        return latents[:, :2].repeat_interleave(HOP, dim=0).numpy().astype(np.float32)


class Conditioner:
    """Words to numbers by their hash."""

    def text(self, prompt: Prompt) -> Part:
        return {"vector": _vector(prompt.caption)}

    def lyrics(self, prompt: Prompt) -> Part:
        return {"vector": _vector(prompt.lyrics or "")}

    def constants(self) -> Part:
        return {"null": torch.zeros(WIDTH)}

    def trimmed(self, prompt: Prompt) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class ToyFamily:
    """The opened family."""

    variant: Variant = VARIANT
    fingerprint: str = "toy-network"
    conditions_fingerprint: str = "toy-conditions"
    frames_per_second: float = 10.0
    crop_multiple: int = 1

    def load_codec(self, device: torch.device) -> Codec:
        return Codec()

    def load_conditioner(self, device: torch.device) -> Conditioner:
        return Conditioner()

    def load_network(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            return Network().requires_grad_(False).to(device, dtype).eval()

    def collate(self, examples: Sequence[Example], constants: Part, device: torch.device) -> Batch:
        vectors = torch.stack([e.text["vector"] + e.lyrics["vector"] for e in examples])
        return Batch(torch.stack([e.latents for e in examples]), {"vector": vectors, "null": constants["null"]})

    def predict(self, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, dropped: Tensor) -> Tensor:
        condition = torch.where(dropped[:, None], batch.conditions["null"], batch.conditions["vector"])
        return network(x_t, t, condition)

    def course(self, sampling: Sampling) -> Course:
        return Course(schedule(sampling.steps, sampling.shift), EveryStep(sampling.guidance))

    def round_times(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        return t

    def target_modules(self, targets: str) -> tuple[str, ...]:
        if targets not in ("enter", "mix"):
            raise SettingError("adapter.no_target", name=targets, known="enter, mix")
        return (targets,)

    def probe(self, frames: int, device: torch.device, crops: int = 1, told: int = 19) -> Batch:
        part = {"vector": torch.ones(WIDTH)}
        return self.collate(
            [Example(torch.ones(frames, CHANNELS), part, part)] * crops, {"null": torch.zeros(WIDTH)}, device
        )


@dataclass(frozen=True)
class ToyCard:
    """What is known without torch."""

    name: str = "toy"
    variants: tuple[Variant, ...] = (VARIANT,)

    def variant(self, name: str) -> Variant | None:
        return VARIANT if name == "toy" else None

    def recipe_section(self) -> type[FamilySection]:
        return FamilySection

    def official_name(self, module: str) -> str:
        return f"toy_{module}"

    def network_name(self, module: str) -> str:
        return module.removeprefix("toy_")

    @property
    def adapter_prefix(self) -> str:
        return "toy/"

    def checkpoint_name(self, module: str) -> str:
        return f"toys.{module}"

    def layer_sizes(self, size: NetworkSize, targets: str) -> Mapping[str, tuple[int, int]]:
        (name,) = ToyFamily().target_modules(targets)
        return {"enter": {"enter": (CHANNELS + 1 + WIDTH, WIDTH)}, "mix": {"mix": (WIDTH, CHANNELS)}}[name]

    def locate(self, variant: Variant, models: Path) -> Mapping[str, Path | None] | None:
        return None

    def fetch(self, variant: Variant, models: Path, job: Job) -> Mapping[str, Path | None]:
        return {}

    def verify(self, variant: Variant, models: Path, job: Job) -> None:
        return None

    def open(self, recipe: Recipe, models: Path, job: Job) -> ToyFamily:
        return ToyFamily()


CARD = ToyCard()


def _vector(text: str) -> Tensor:
    digest = hashlib.blake2b(text.encode(), digest_size=WIDTH).digest()
    return torch.tensor([byte / 128 - 1 for byte in digest])
