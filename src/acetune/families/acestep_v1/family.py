"""ACE-Step v1 as a `ModelFamily`: which part does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from acetune import compute, files
from acetune.errors import DataError
from acetune.events import Job
from acetune.families.acestep_v1 import names
from acetune.families.acestep_v1.checkpoint import Checkpoint, open_checkpoint
from acetune.families.acestep_v1.codec import DcaeCodec, flat, tall
from acetune.families.acestep_v1.conditions import NO_LYRICS, NULL_TOKENS, AceStepV1Conditioner
from acetune.families.acestep_v1.lyrics import LyricTokenizer
from acetune.families.acestep_v1.network import Words
from acetune.families.acestep_v1.sampling import INTERVAL, OMEGA, MiddleGuide, times, weakened
from acetune.families.acestep_v1.variants import AceStepV1Section
from acetune.families.codecs import Recoder
from acetune.families.family import Batch, Example, Part
from acetune.families.variant import Sampling, Variant
from acetune.flow import randomness
from acetune.flow.guidance import Course

if TYPE_CHECKING:
    from acetune.recipe import Recipe

#: Raised when the same song and text would encode to other numbers.
ENCODING_VERSION = 1


@dataclass(frozen=True)
class AceStepV1:
    """One opened variant; see `acetune.families.family.ModelFamily`."""

    variant: Variant
    checkpoint: Checkpoint
    section: AceStepV1Section
    models: Path

    @classmethod
    def open(cls, recipe: Recipe, models: Path, job: Job) -> AceStepV1:
        """Find (or fetch) the weights that a recipe names; raises as `FamilyCard.open`."""
        from acetune.recipe import family_of

        _, variant = family_of(recipe.model.variant)
        path = Path(recipe.model.path).expanduser() if recipe.model.path else None
        section = recipe.family
        assert isinstance(section, AceStepV1Section)
        return cls(variant, open_checkpoint(variant, path, models, job), section, models)

    @property
    def fingerprint(self) -> str:
        """Names the network's weights."""
        return self.checkpoint.fingerprints["network"]

    @cached_property
    def conditions_fingerprint(self) -> str:
        """Names everything that encoded songs depend on, the network apart."""
        prints = self.checkpoint.fingerprints
        vocabulary = files.content_hash(self.checkpoint.vocabulary)
        return files.hash_of(ENCODING_VERSION, prints["vae"], prints["text"], vocabulary, self.section.simple_tags)

    @property
    def frames_per_second(self) -> float:
        """Latent frames per second of audio."""
        return self.variant.size.frames_per_second

    @property
    def crop_multiple(self) -> int:
        """One frame is one token."""
        return self.variant.size.patch

    @property
    def codes_fingerprint(self) -> str | None:
        """None: this family has no rough music."""
        return None

    def load_codec(self, device: torch.device) -> DcaeCodec:
        """Load autoencoder and vocoder in float32."""
        return DcaeCodec(self.checkpoint.autoencoder(device), self.checkpoint.vocoder(device), device)

    def load_conditioner(self, device: torch.device) -> AceStepV1Conditioner:
        """Load the text encoder, in the number format that inference uses on this device."""
        return AceStepV1Conditioner(
            self.checkpoint.text_tokenizer(),
            self.checkpoint.text_encoder(device, compute.dtype("auto", device)),
            LyricTokenizer(self.checkpoint.vocabulary, simple_tags=self.section.simple_tags),
        )

    def load_recoder(self, device: torch.device) -> Recoder:
        """Refuse: this family has no rough music.

        Raises:
            DataError: Always.
        """
        raise DataError("weights.no_component", component="audio_tokenizer", path=self.checkpoint.found.root)

    def load_network(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Load the diffusion transformer, frozen."""
        return self.checkpoint.network(device, dtype)

    def collate(self, examples: Sequence[Example], constants: Part, device: torch.device) -> Batch:
        """Put crops of equal length together; texts and lyrics are masked, and the network packs what is seen."""
        texts, ids = [e.text["tokens"] for e in examples], [e.lyrics["ids"] for e in examples]
        told = torch.tensor([len(text) for text in texts])
        width = max(*map(len, texts), NULL_TOKENS)
        padded = nn.utils.rnn.pad_sequence([*texts, texts[0].new_zeros(width, texts[0].shape[1])], batch_first=True)
        lyrics = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=NO_LYRICS)
        sung = lyrics != NO_LYRICS
        longest = int((told + sung.sum(dim=1)).clamp(min=NULL_TOKENS).max()) + 1  # and the speaker
        conditions = {
            "text": padded[:-1],  # (B, Lt, D)
            "told": torch.arange(width) < told[:, None],
            "null": torch.arange(width) < NULL_TOKENS,
            "ids": lyrics,  # (B, Ll)
            "sung": sung,
            "places": torch.arange(longest),
        }
        placed = {name: compute.to_device(tensor, device) for name, tensor in conditions.items()}
        return Batch(compute.to_device(torch.stack([e.latents for e in examples]), device), placed)

    def predict(self, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, dropped: Tensor) -> Tensor:
        """Return the velocity (B, T, 128) in float32; see `ModelFamily.predict`."""
        dtype: torch.dtype = network.lyric_embs.weight.dtype  # type: ignore[union-attr, assignment]
        told, out = batch.conditions, dropped[:, None]
        words = Words(
            text=told["text"].to(dtype) * ~out[:, :, None],
            lyric_ids=told["ids"],
            text_mask=torch.where(out, told["null"], told["told"]),
            lyric_mask=told["sung"] & ~out,
            tokens=len(told["places"]),
        )
        velocity: Tensor = network(tall(x_t.to(dtype)), t, words)
        return flat(velocity).float()

    def course(self, sampling: Sampling) -> Course:
        """Return the published pipeline's times, which are shifted twice, and its guidance of the middle steps."""
        guide = MiddleGuide(
            sampling.guidance,
            sampling.steps,
            interval=INTERVAL if sampling.guidance_interval is None else sampling.guidance_interval,
            rule=sampling.guide,
            lyrics=sampling.guidance_lyrics,
            against=sampling.against,
            granularity=0.0 if sampling.solver == "pingpong" else OMEGA,  # published so
        )
        return Course(times(sampling.steps, sampling.shift), guide, partial(_told_less, self))

    def round_times(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """Return t: the network takes it in float32 whatever its own format."""
        return t

    def target_modules(self, targets: str) -> tuple[str, ...]:
        """Return the linear layers that a choice of ``adapter.targets`` means."""
        return names.targets(targets, self.variant.size)

    def save_model(self, network: Mapping[str, Tensor], folder: Path) -> None:
        """Write a checkpoint with this network; see `ModelFamily.save_model`."""
        self.checkpoint.save(network, folder)

    def read_model(self, folder: Path) -> Mapping[str, Tensor]:
        """Return the network's weights in such a folder."""
        return open_checkpoint(self.variant, folder, self.models, Job()).read_network()

    def probe(self, frames: int, device: torch.device, crops: int = 1, told: int = 19) -> Batch:
        """Return made-up music and conditions, always the same; see `ModelFamily.probe`."""
        size, half = self.variant.size, max((told - 1) // 2, 2)
        states = randomness.normal((half, size.condition_width), 0, "probe tokens")
        latents = randomness.normal((frames, size.channels), 0, "probe latents")
        ids = 1 + torch.arange(half) % 40
        pairs = (({"tokens": states}, {"ids": ids}), ({"tokens": states[1:]}, {"ids": ids[1:]}))
        return self.collate([Example(latents, *pairs[crop % 2]) for crop in range(crops)], {}, device)


def _told_less(family: AceStepV1, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, told: str) -> Tensor:
    """Return the velocity of a network that is told the "caption" alone, or the lyrics "weak"ly and no caption."""
    withheld = "sung" if told == "caption" else "text"
    hidden = Batch(batch.x0, {**batch.conditions, withheld: torch.zeros_like(batch.conditions[withheld])})
    with weakened(network) if told == "weak" else nullcontext():
        return family.predict(network, hidden, x_t, t, torch.zeros(len(t), dtype=torch.bool, device=t.device))
