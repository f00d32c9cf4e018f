"""Writes songs as other trainers of ACE-Step 1.5 encode and store them, by an embedded model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from acetune.data.manifest import Manifest
from acetune.data.track import Track
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet, encode_set
from acetune.encoding.parts import TrackParts
from acetune.events import Job
from acetune.families.acestep_v15.family import AceStepV15
from acetune.families.acestep_v15.prompts import lyric_text, prompt_text
from acetune.families.family import Prompt
from acetune.recipe import Recipe, family_of

CPU = torch.device("cpu")
#: Tokens to which old trainers pad lyrics and text.
LYRICS, TEXT = 512, 256


@dataclass(frozen=True)
class Layout:
    """How a trainer encodes and stores.

    Attributes:
        dtype: Number format of its tensors.
        old_lyrics: Raw lyrics, without their header.
        lyrics, text: Tokens to pad to; None for no padding.
        zeros: One frame of zeros as reference clip; else silence.
        metadata: What it says of a song.
        folder: Folder inside its output.
        name: Name of a song's file.
    """

    dtype: torch.dtype
    old_lyrics: bool
    lyrics: int | None
    text: int | None
    zeros: bool
    metadata: tuple[str, ...]
    folder: str = "."
    name: str = "{stem}.pt"


_OFFICIAL = (
    "audio_path", "filename", "caption", "lyrics", "duration", "bpm", "keyscale", "timesignature", "language",
    "is_instrumental",
)  # fmt: skip
LAYOUTS = {
    "official": Layout(
        torch.float32, True, LYRICS, TEXT, True, (*_OFFICIAL, "preprocess_mode"), name="{number:08x}.pt"
    ),
    "official-new": Layout(torch.float32, False, None, TEXT, False, _OFFICIAL, name="{number:08x}.pt"),
    "side-step": Layout(
        torch.bfloat16, True, LYRICS, TEXT, True,
        ("audio_path", "filename", "caption", "lyrics", "duration", "bpm", "keyscale", "timesignature", "genre",
         "is_instrumental", "custom_tag", "prompt_override", "repeat"),
    ),
    "sn": Layout(
        torch.float32, True, LYRICS, TEXT, True, ("audio_path", "filename", "caption", "lyrics", "language"),
        folder="tensors",
    ),
    "fl": Layout(torch.float32, False, None, None, False, _OFFICIAL, name="sample_{number:04d}.pt"),
}  # fmt: skip


@dataclass(frozen=True)
class Encoders:
    """One checkpoint's own encoders, as other trainers call them: with masks, all at once."""

    family: AceStepV15
    tokenizer: object
    text: torch.nn.Module
    conditions: torch.nn.Module

    @classmethod
    def of(cls, family: AceStepV15) -> Encoders:
        weights = family.weights
        loaded = (weights.load(name, CPU, torch.float32) for name in ("text_encoder", "condition_encoder"))
        return cls(family, weights.tokenizer(), *loaded)

    @torch.inference_mode()
    def encode(self, prompt: Prompt, layout: Layout) -> tuple[Tensor, Tensor]:
        """Return conditions (L, D) and their mask (L), padding last."""
        words = (prompt.lyrics or "[Instrumental]") if layout.old_lyrics else lyric_text(prompt)
        lyrics, lyric_mask = self._tokens(words, layout.lyrics, LYRICS if layout.old_lyrics else 2048)
        text, text_mask = self._tokens(prompt_text(prompt), layout.text, TEXT)
        silence = self.conditions.silence_latent
        reference = torch.zeros_like(silence[:, :1]) if layout.zeros else silence[:, :750]
        joined, mask = self.conditions(
            self.text(input_ids=text).last_hidden_state, text_mask,
            self.text.get_input_embeddings()(lyrics), lyric_mask,
            reference, torch.zeros(1, dtype=torch.long),
        )  # fmt: skip
        return joined[0].to(layout.dtype), mask[0].bool()

    def _tokens(self, text: str, length: int | None, limit: int) -> tuple[Tensor, Tensor]:
        ids = self.tokenizer(text, truncation=True, max_length=limit).input_ids
        padding = [0] * max((length or 0) - len(ids), 0)
        mask = [True] * len(ids) + [False] * len(padding)
        return torch.tensor([ids + padding]), torch.tensor([mask])


def encoded(manifest: Manifest, recipe: Recipe, models: Path, cache: Path) -> tuple[AceStepV15, EncodedSet]:
    """Return a data set as our own pipeline encodes it, and the family that did."""
    family = family_of(recipe.model.variant)[0].open(recipe, models, Job())
    return family, encode_set(manifest, recipe, family, Cache(cache), Job())[0]


def song(encoders: Encoders, parts: TrackParts, latents: Tensor, layout: Layout) -> dict[str, object]:
    """Return the dictionary that a trainer saves for one song."""
    joined, mask = encoders.encode(parts.prompts["caption"], layout)
    target = latents.to(layout.dtype)
    silence = encoders.conditions.silence_latent[0, : len(target)].to(layout.dtype)
    unpadded = layout.text is None
    return {
        "target_latents": target.clone(),
        "attention_mask": torch.ones(len(target), dtype=torch.float32 if unpadded else layout.dtype),
        "encoder_hidden_states": joined.clone(),
        "encoder_attention_mask": mask,
        "context_latents": torch.cat([silence, torch.ones_like(silence)], dim=1),
        "metadata": said(parts.track, layout.metadata),
    }


def said(track: Track, names: tuple[str, ...]) -> dict[str, object]:
    """Return what a trainer writes about a song."""
    known = {
        "audio_path": f"D:\\music\\{track.path}", "filename": track.path, "caption": track.caption or "",
        "lyrics": track.lyrics or "[Instrumental]", "duration": int(track.seconds), "bpm": track.bpm,
        "keyscale": track.keyscale or "", "timesignature": track.timesignature or "", "genre": "",
        "language": track.language or "unknown", "is_instrumental": not track.lyrics, "custom_tag": "",
        "prompt_override": None, "repeat": 1, "preprocess_mode": "lora",
    }  # fmt: skip
    return {name: known[name] for name in names}


def write(folder: Path, songs: dict[str, dict[str, object]], trainer: str) -> list[Path]:
    """Write the songs of a trainer, by the stem of their audio, and the sidecar that it leaves."""
    layout = LAYOUTS[trainer]
    paths = []
    for number, (stem, content) in enumerate(songs.items()):
        path = folder / layout.folder / layout.name.format(stem=stem, number=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)
        paths.append(path)
    sidecar = _sidecar(trainer, paths)
    if sidecar:
        (folder / sidecar[0]).write_text(json.dumps(sidecar[1]))
    return paths


def _sidecar(trainer: str, paths: list[Path]) -> tuple[str, dict[str, object]] | None:
    """Return name and content of the file that a trainer leaves beside its tensors."""
    if trainer.startswith("official"):
        listed = [f"C:\\ace\\tensors\\{path.name}" for path in paths]
        return "manifest.json", {"metadata": {"name": "a"}, "samples": listed, "num_samples": len(listed)}
    if trainer == "fl":
        rows = [{"id": number, "filename": path.name} for number, path in enumerate(paths)]
        return "manifest.json", {"samples": rows, "metadata": {}}
    if trainer == "side-step":
        return "preprocess_meta.json", {path.name: {"md5": "0" * 32} for path in paths}
    return None
