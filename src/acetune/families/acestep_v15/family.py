"""ACE-Step 1.5 as a `ModelFamily`: which part does what, for every published layout and variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from acetune import compute, files
from acetune.events import Job
from acetune.families.acestep_v15 import layouts, names
from acetune.families.acestep_v15.codec import OobleckCodec
from acetune.families.acestep_v15.codes import CODES, CodesRecoder
from acetune.families.acestep_v15.conditions import AceStepConditioner, join
from acetune.families.acestep_v15.network import AceStepTransformer1DModel
from acetune.families.acestep_v15.saving import save_model, stored
from acetune.families.acestep_v15.variants import AceStepV15Section
from acetune.families.family import Batch, Example, Part
from acetune.families.variant import Sampling, Variant
from acetune.flow import randomness, timesteps
from acetune.flow.guidance import Course, EveryStep

if TYPE_CHECKING:
    from acetune.recipe import Recipe

#: Raised when the same song and text would encode to other numbers.
ENCODING_VERSION = 1


@dataclass(frozen=True)
class AceStepV15:
    """One opened variant; see `acetune.families.family.ModelFamily`."""

    variant: Variant
    weights: layouts.Weights
    section: AceStepV15Section

    @classmethod
    def open(cls, recipe: Recipe, models: Path, job: Job) -> AceStepV15:
        """Find (or fetch) the weights that a recipe names; raises as `FamilyCard.open`."""
        from acetune.recipe import family_of

        _, variant = family_of(recipe.model.variant)
        path = Path(recipe.model.path).expanduser() if recipe.model.path else None
        section = recipe.family
        assert isinstance(section, AceStepV15Section)
        return cls(variant, layouts.open_weights(variant, path, models, job), section)

    @cached_property
    def fingerprint(self) -> str:
        """Names the network's weights."""
        return self.weights.fingerprint("transformer")

    @cached_property
    def conditions_fingerprint(self) -> str:
        """Names everything that encoded songs depend on, the network apart."""
        parts = [self.weights.fingerprint(name) for name in ("vae", "text_encoder", "condition_encoder")]
        return files.hash_of(ENCODING_VERSION, parts, self.timbre_cls, self.section.lyric_format)

    @property
    def frames_per_second(self) -> float:
        """Latent frames per second of audio."""
        return self.variant.size.frames_per_second

    @property
    def crop_multiple(self) -> int:
        """Frames of one patch."""
        return self.variant.size.patch

    @property
    def timbre_cls(self) -> bool:
        """Whether the timbre encoder's learned token is used: on XL, where the network is wider than its encoder."""
        if self.section.timbre_cls == "auto":
            return self.variant.size.hidden != self.variant.size.condition_width
        return self.section.timbre_cls == "on"

    def load_codec(self, device: torch.device) -> OobleckCodec:
        """Load the autoencoder in float32, where chunks are exact."""
        return OobleckCodec(self.weights.load("vae", device, torch.float32), device)

    def load_conditioner(self, device: torch.device) -> AceStepConditioner:
        """Load text and condition encoder, in the number format that inference uses on this device."""
        dtype = compute.dtype("auto", device)
        return AceStepConditioner(
            self.weights.tokenizer(),
            self.weights.load("text_encoder", device, dtype),
            self.weights.load("condition_encoder", device, dtype),
            timbre_cls=self.timbre_cls,
            legacy_lyrics=self.section.lyric_format == "legacy_raw",
        )

    @property
    def codes_fingerprint(self) -> str | None:
        """Names the weights that make 5 Hz codes and latents of codes; None where the checkpoint has none."""
        if not set(CODES) <= self.weights.sources.keys():
            return None
        return files.hash_of(*map(self.weights.fingerprint, CODES))

    def load_recoder(self, device: torch.device) -> CodesRecoder:
        """Load tokenizer and detokenizer of 5 Hz codes, in the number format that inference uses on this device."""
        dtype = compute.dtype("auto", device)
        tokenizer, detokenizer = (self.weights.load(name, device, dtype) for name in CODES)
        return CodesRecoder(tokenizer, detokenizer, self.weights.silence())

    def load_network(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Load the diffusion transformer, frozen."""
        return self.weights.load("transformer", device, dtype, AceStepTransformer1DModel)

    def collate(self, examples: Sequence[Example], constants: Part, device: torch.device) -> Batch:
        """Put crops of equal length together; differing condition lengths are masked."""
        joined = [join(e.lyrics["tokens"], constants["timbre"], e.text["tokens"]) for e in examples]
        lengths = [len(tokens) for tokens in joined]
        conditions = {
            "tokens": nn.utils.rnn.pad_sequence(joined, batch_first=True),  # (B, L, D)
            "null": constants["null"],
            "context": _context(examples, _tiled(constants["silence"], examples[0].latents.shape[0])),
        }
        if any(e.window for e in examples):
            conditions["made"] = torch.stack([_made(e) for e in examples])  # (B, T, 1)
        if len(set(lengths)) > 1:  # without padding there is nothing to mask, and no mask is quicker
            conditions["mask"] = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
        placed = {name: compute.to_device(tensor, device) for name, tensor in conditions.items()}
        return Batch(compute.to_device(torch.stack([e.latents for e in examples]), device), placed)

    def predict(self, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, dropped: Tensor) -> Tensor:
        """Return the velocity (B, T, C) in float32; see `ModelFamily.predict`."""
        dtype: torch.dtype = network.proj_in_conv.weight.dtype  # type: ignore[union-attr, assignment]
        tokens = torch.where(dropped[:, None, None], batch.conditions["null"], batch.conditions["tokens"])
        rough = batch.conditions["context"].to(dtype).expand(x_t.shape[0], -1, -1)
        made = batch.conditions.get("made")
        chunks = torch.ones_like(rough) if made is None else made.to(dtype).expand_as(rough)
        context = torch.cat([rough, chunks], dim=-1)
        times = t.to(dtype)
        velocity: Tensor = network(
            x_t.to(dtype), times, times, tokens.to(dtype), context, condition_mask=batch.conditions.get("mask")
        )
        return velocity.float()

    def course(self, sampling: Sampling) -> Course:
        """Return evenly spread times, shifted, and adaptive projected guidance of every step."""
        return Course(timesteps.schedule(sampling.steps, sampling.shift), EveryStep(sampling.guidance))

    def round_times(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """Return t as the network sees it; inference rounds to the network's format too."""
        return t.to(dtype).float()

    def target_modules(self, targets: str) -> tuple[str, ...]:
        """Return the linear layers that a choice of ``adapter.targets`` means."""
        return names.targets(targets, self.variant.size.layers)

    def save_model(self, network: Mapping[str, Tensor], folder: Path) -> None:
        """Write a diffusers pipeline with this network; see `ModelFamily.save_model`."""
        save_model(self.weights, network, folder)

    def read_model(self, folder: Path) -> Mapping[str, Tensor]:
        """Return the network's weights in such a folder."""
        opened = layouts.open_weights(self.variant, folder, self.weights.models, Job())
        network = opened.load("transformer", torch.device("cpu"), stored(opened, "transformer"))
        return network.state_dict()

    def probe(self, frames: int, device: torch.device, crops: int = 1, told: int = 19) -> Batch:
        """Return made-up music and conditions, always the same; see `ModelFamily.probe`."""
        size, half = self.variant.size, (told - 1) // 2
        tokens = {"tokens": randomness.normal((half, size.condition_width), 0, "probe tokens")}
        fewer = {"tokens": tokens["tokens"][1:]}
        single = randomness.normal((1, size.condition_width), 0, "probe timbre")
        silence, latents = (randomness.normal((frames, size.channels), 0, "probe latents", i) for i in range(2))
        constants = {"timbre": single, "null": single, "silence": silence}
        examples = [Example(latents, tokens, fewer if crop % 2 else tokens) for crop in range(crops)]
        return self.collate(examples, constants, device)


def _context(examples: Sequence[Example], silence: Tensor) -> Tensor:
    """Return what each crop is handed (B, T, C): its music, or silence; silence alone (T, C) is for all."""
    if all(e.context is None for e in examples):
        return silence
    return torch.stack([_handed(e, silence) for e in examples])


def _handed(example: Example, silence: Tensor) -> Tensor:
    """Return what one crop is handed (T, C)."""
    if example.context is None:
        return silence
    music = example.context.to(silence)
    return torch.where(_made(example) > 0, silence, music) if example.hidden else music


def _made(example: Example) -> Tensor:
    """Return 1 where the network shall make music and 0 where it is handed the music that stays: (T, 1)."""
    frames = example.latents.shape[0]
    start, stop = example.window or (0, frames)
    places = torch.arange(frames).unsqueeze(1)
    return ((places >= start) & (places < stop)).float()


def _tiled(silence: Tensor, frames: int) -> Tensor:
    """Return so many frames of silence, from its first on, repeated where it is too short: (frames, C)."""
    return silence.repeat(-(-frames // silence.shape[0]), 1)[:frames]
