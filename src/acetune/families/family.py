"""What every family of models offers to the rest of acetune.

A family is one folder. Its *card* imports no torch and says which variants there are; `FamilyCard.open` finds the
weights of one variant and returns a `ModelFamily`, which loads one part at a time (codec, conditioner, network) so
that small machines suffice. Outside `acetune.families` nothing asks which family it is working with.

Shapes: B batch, T latent frames, C latent channels, L condition tokens, D condition width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from acetune.data.track import Track
from acetune.events import Job
from acetune.families.codecs import Codec, Recoder
from acetune.families.conditioner import Conditioner
from acetune.families.variant import Sampling, Variant
from acetune.planning.memory import NetworkSize
from acetune.recipe import Recipe
from acetune.sections import FamilySection

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from acetune.flow.guidance import Course


@dataclass(frozen=True)
class Prompt:
    """What is asked of the network, for training and for generation alike. None means unknown.

    Attributes:
        caption: Style, instruments, mood; the trigger is already in it.
        lyrics: Words with section tags; None or empty for instrumentals.
        language: Language code of the lyrics.
        bpm, keyscale, timesignature: As in `acetune.data.track.Track`.
        seconds: Length of the whole song.
    """

    caption: str
    lyrics: str | None
    language: str | None
    bpm: float | None
    keyscale: str | None
    timesignature: str | None
    seconds: float

    @classmethod
    def of(cls, track: Track, caption: str, max_seconds: float) -> Prompt:
        """Return what a track asks of the network with one of its captions."""
        return cls(
            caption=caption,
            lyrics=None if track.instrumental else track.lyrics,
            language=track.language,
            bpm=track.bpm,
            keyscale=track.keyscale,
            timesignature=track.timesignature,
            seconds=float(int(min(track.seconds, max_seconds))),  # whole seconds are what prompts say
        )


#: Named tensors that a family encodes for one prompt; immutable once written.
Part = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Example:
    """One crop before collation.

    Attributes:
        latents: Music (T, C) in float32, or noise when generating.
        text: Part of the caption and metas.
        lyrics: Part of the lyrics.
        context: Music (T, C) that the network is handed beside its conditions, rough or true; None for none.
        window: First frame that it shall make and the one behind the last; None for all.
        hidden: Whether it is handed silence in place of the music inside the window.
    """

    latents: Tensor
    text: Part
    lyrics: Part
    context: Tensor | None = None
    window: tuple[int, int] | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Batch:
    """Crops of equal length on one device.

    Attributes:
        x0: Latents (B, T, C), float32.
        conditions: What `ModelFamily.predict` reads; names belong to the family.
    """

    x0: Tensor
    conditions: Mapping[str, Tensor]


class ModelFamily(Protocol):
    """One variant with its weights found; parts load on request."""

    @property
    def variant(self) -> Variant:
        """What was opened."""
        ...

    @property
    def fingerprint(self) -> str:
        """Names the network's weights; adapters carry it."""
        ...

    @property
    def conditions_fingerprint(self) -> str:
        """Names the codec, encoders and family knobs that the cache depends on."""
        ...

    @property
    def frames_per_second(self) -> float:
        """Latent frames per second of audio."""
        ...

    @property
    def crop_multiple(self) -> int:
        """Crop starts and lengths are multiples of this many frames."""
        ...

    def load_codec(self, device: torch.device) -> Codec:
        """Load the part that encodes and decodes audio."""
        ...

    def load_conditioner(self, device: torch.device) -> Conditioner:
        """Load the part that encodes prompts."""
        ...

    @property
    def codes_fingerprint(self) -> str | None:
        """Names the weights of the recoder; None where a family or a checkpoint has none."""
        ...

    def load_recoder(self, device: torch.device) -> Recoder:
        """Load the part that makes rough versions of music."""
        ...

    def load_network(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Load the network, frozen, in evaluation mode."""
        ...

    def collate(self, examples: Sequence[Example], constants: Part, device: torch.device) -> Batch:
        """Put crops of equal length together; differing condition lengths are masked, never seen.

        Law: a batch gives each crop the prediction that it gets alone.
        """
        ...

    def predict(self, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, dropped: Tensor) -> Tensor:
        """Return the velocity noise - x0, (B, T, C) in float32.

        Args:
            network: What `load_network` returned, with or without an adapter.
            batch: What `collate` returned.
            x_t: Noisy latents (B, T, C), float32.
            t: Times (B,), float32: 1 is noise, 0 is music.
            dropped: Whether each crop is shown without its conditions, (B,) bool.
        """
        ...

    def course(self, sampling: Sampling) -> Course:
        """Return the times of one sampling and what guides it."""
        ...

    def round_times(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the times that the network will really see at this precision, in float32."""
        ...

    def target_modules(self, targets: str) -> tuple[str, ...]:
        """Return the names of the network's linear layers that a choice of ``adapter.targets`` means.

        Raises:
            SettingError: If a name matches nothing.
        """
        ...

    def save_model(self, network: Mapping[str, Tensor], folder: Path) -> None:
        """Write this checkpoint with all these weights of its network (CPU) into an empty folder, for `open`."""
        ...

    def read_model(self, folder: Path) -> Mapping[str, Tensor]:
        """Return the network's weights in a folder that `save_model` wrote, in the number format they have there."""
        ...

    def probe(self, frames: int, device: torch.device, crops: int = 1, told: int = 19) -> Batch:
        """Return crops with about so many condition tokens, made up and always the same, to compare networks on."""
        ...


class FamilyCard(Protocol):
    """What is known of a family without torch and without weights."""

    @property
    def name(self) -> str:
        """What the catalogue calls the family."""
        ...

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Every variant, published and embedded."""
        ...

    def variant(self, name: str) -> Variant | None:
        """Return the variant of this name or alias."""
        ...

    def recipe_section(self) -> type[FamilySection]:
        """Return the family's own knobs."""
        ...

    def official_name(self, module: str) -> str:
        """Return the name that the model's own app gives to a module of our network."""
        ...

    @property
    def adapter_prefix(self) -> str:
        """What stands before official names in the adapter files that the model's own app and ComfyUI read."""
        ...

    def network_name(self, module: str) -> str:
        """Return our name of a module that the model's own app names so."""
        ...

    def checkpoint_name(self, module: str) -> str:
        """Return the name that a module of our network has in the model's whole official checkpoint."""
        ...

    def layer_sizes(self, size: NetworkSize, targets: str) -> Mapping[str, tuple[int, int]]:
        """Return our names of the linear layers that a choice of ``adapter.targets`` means: inputs and outputs.

        Raises:
            SettingError: If a word of it matches nothing.
        """
        ...

    def locate(self, variant: Variant, models: Path) -> Mapping[str, Path | None] | None:
        """Return where the parts of a variant's weights are, "network" first; None for a missing part.

        Args:
            variant: One of this family's.
            models: The workspace's folder of weights.

        Returns:
            None if nothing was found.
        """
        ...

    def fetch(self, variant: Variant, models: Path, job: Job) -> Mapping[str, Path | None]:
        """Make sure that the weights of a variant are here, whole, and return where (raises as `open`)."""
        ...

    def verify(self, variant: Variant, models: Path, job: Job) -> None:
        """Check a variant's weight files; MissingDependency if none are here, DataError for the first damaged one."""
        ...

    def open(self, recipe: Recipe, models: Path, job: Job) -> ModelFamily:
        """Find (or fetch) the weights that a recipe names.

        Args:
            recipe: ``model.variant``, ``model.path`` and the family's own section are read.
            models: The workspace's folder of weights.
            job: Hears of downloads; can stop them.

        Raises:
            MissingDependency: If the weights are not here and may not be fetched.
            DataError: If a file is no checkpoint of this family, or of another variant.
        """
        ...
