"""Opens a checkpoint of ACE-Step 1.5 in any layout, finding and fetching what is missing.

Whatever the layout, components come out under the same names, with the same fingerprints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from acetune import compute
from acetune.errors import DataError, DownloadFailed, MissingDependency
from acetune.events import Job
from acetune.families import hub, weights
from acetune.families import tensors as files_of_tensors
from acetune.families.acestep_v15 import configs, places, tiny
from acetune.families.acestep_v15.places import Found
from acetune.families.acestep_v15.sources import read_sources
from acetune.families.acestep_v15.variants import VARIANTS
from acetune.families.tensors import Source
from acetune.families.variant import Repository, Variant

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerFast

#: Where ComfyUI's files get their tokenizer from, if no copy of it is here.
_TOKENIZER = Repository(places.MAIN, (f"{places.TEXT_FOLDER}/tokenizer*.json",), 11_500_000, "Apache-2.0")
_ANY_LAYOUT = ("*.json", "*.safetensors", "silence_latent.pt", "*/merges.txt")

SILENCE = "silence_latent"
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Weights:
    """An opened checkpoint: nothing is read until it is asked for, one component at a time.

    Attributes:
        variant: What was opened.
        layout: official, diffusers, comfyui-aio or comfyui-split.
        found: Where its parts are.
        sources: Component to its tensors; the code tokenizer's two components may be absent.
        models: The workspace's folder of models, for what is derived once and kept.
    """

    variant: Variant
    layout: str
    found: Found
    sources: Mapping[str, Source] = field(repr=False)
    models: Path

    @property
    def components(self) -> tuple[str, ...]:
        """Return the names of the components that are here."""
        return tuple(self.sources)

    def fingerprint(self, component: str) -> str:
        """Return what names a component's weights; equal for the same weights in any layout.

        The silence latents do not count: some layouts keep them, and they follow from the autoencoder.
        """
        kept = {name: ref for name, ref in self.sources[component].tensors.items() if name != SILENCE}
        return files_of_tensors.fingerprint(kept)

    def load(
        self,
        component: str,
        device: torch.device,
        dtype: torch.dtype,
        network_class: type[nn.Module] | None = None,
    ) -> nn.Module:
        """Return a component with its weights, frozen, in evaluation mode; see `components.build`.

        Raises:
            DataError: If its tensors are not exactly those of its class, or the component is not in this checkpoint.
        """
        from acetune.families.acestep_v15.components import build

        if component not in self.sources:
            raise DataError("weights.no_component", component=component, path=self.found.network)
        source = self.sources[component]
        tensors = files_of_tensors.read(source.tensors, device, dtype)
        if component == "condition_encoder":
            tensors[SILENCE] = self.silence().to(device, dtype)
        return build(component, source.config, tensors, device=device, dtype=dtype, network_class=network_class)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Return the text encoder's tokenizer.

        Raises:
            MissingDependency: If it is not on this machine (ComfyUI's files carry none).
        """
        if self.found.tokenizer is None:
            raise MissingDependency("weights.no_tokenizer", path=self.found.network, name=self.variant.name)
        return load_tokenizer(self.found.tokenizer)

    def silence(self) -> Tensor:
        """Return the latents of endless silence, (1, 15000, C) in float32 on the CPU.

        From the checkpoint where it has them, else encoded once by its autoencoder and kept.
        """
        from acetune.families.acestep_v15.silence import silence_of

        return silence_of(self)


def open_weights(variant: Variant, path: Path | None, models: Path, job: Job) -> Weights:
    """Find the weights of a variant, fetch what is missing, and open them.

    Args:
        variant: What is wanted.
        path: Folder, file or hub id that the user gave; None looks in the usual places (see `places.locate`).
        models: The workspace's folder of models.
        job: Hears of downloads; can stop them.

    Raises:
        MissingDependency: If something is not here and may not be fetched.
        DownloadFailed: If it could not be fetched whole.
        DataError: If a file is broken, no checkpoint of this family, or of another variant.
    """
    found = obtain(variant, path, models, job)
    sources = {name: source for name, source in read_sources(found, variant).items() if source.tensors}
    _check_widths(variant, sources["transformer"], found.network)
    _check_kind(variant, sources["transformer"], found.network, job)
    return Weights(variant, found.layout, found, sources, models)


def obtain(variant: Variant, path: Path | None, models: Path, job: Job) -> Found:
    """Return where the weights of a variant are, making or fetching what is missing. No torch for published ones.

    Raises:
        MissingDependency: If something is not here and may not be fetched, or is not published.
        DownloadFailed: If it could not be fetched whole.
        DataError: If the path is no checkpoint of this family.
    """
    if variant.embedded and path is None:
        path = tiny.materialise(variant, models)
    found = places.locate(variant, path, models)
    if found is not None and variant.embedded:
        found = replace(found, tokenizer=tiny.tokenizer_file())
    if found is not None and not found.missing:
        return found
    wanted = _wanted(variant, found, path)
    if compute.offline() or not wanted:
        raise _missing(variant, found, wanted)
    for repository in wanted:
        hub.download(repository, models, job)
    whole = places.locate(variant, path, models)
    if whole is None or whole.missing:
        raise DownloadFailed("weights.incomplete", name=variant.name, repository=wanted[0].id)
    return whole


def _missing(variant: Variant, found: Found | None, wanted: tuple[Repository, ...]) -> MissingDependency:
    """Return the error of weights that are not here and may not be fetched."""
    sizes = [repository.size_bytes for repository in wanted]
    return MissingDependency(
        "weights.missing",
        name=variant.name,
        parts=", ".join(found.missing if found else ("network", *places.SHARED)),
        size=weights.in_gb(sum(sizes)) if all(sizes) else "size unknown",
        licence=", ".join(sorted({repository.licence for repository in wanted})) or "-",
    )


def _wanted(variant: Variant, found: Found | None, path: Path | None) -> tuple[Repository, ...]:
    """Return the repositories that have what is missing."""
    if found is None:
        own = variant.repositories[:1] if path is None else (_named(path, variant),)
        return (*own, *variant.repositories[1:])
    return (_TOKENIZER,) if found.missing == ("tokenizer",) else variant.repositories[1:]


def _named(path: Path, variant: Variant) -> Repository:
    """Return the repository of a hub id that the user gave."""
    known = (repository for repository in variant.repositories if repository.id == path.as_posix())
    return next(known, Repository(path.as_posix(), _ANY_LAYOUT, 0, "see its page on the hub"))


def load_tokenizer(file: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a ``tokenizer.json``, exactly as it stands there (it appends one end-of-text)."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token=END_OF_TEXT, eos_token=END_OF_TEXT)


def _check_kind(variant: Variant, source: Source, path: Path, job: Job) -> None:
    """Say so where a configuration contradicts the variant: same sizes, another way of training and sampling."""
    stated = source.config.get("is_turbo")
    if stated is not None and bool(stated) != (variant.sampling.guidance == 1.0):
        kind = "turbo" if stated else "base or sft"
        job.tell(DataError("weights.another_kind", path=path, kind=kind, variant=variant.name), subject=str(path))


def _check_widths(variant: Variant, source: Source, path: Path) -> None:
    """Refuse weights of another variant, in words, before anything is read.

    Raises:
        DataError: Naming the first size that differs.
    """
    shapes = source.shapes
    size = variant.size
    sizes = {
        "hidden_size": (shapes["scale_shift_table"][-1], size.hidden),
        "intermediate_size": (shapes["layers.0.mlp.gate_proj.weight"][0], size.intermediate),
        "num_hidden_layers": (configs.layer_count(shapes), size.layers),
    }
    for what, (found, expected) in sizes.items():
        if found != expected:
            fits = ", ".join(v.name for v in VARIANTS if v.size.hidden == shapes["scale_shift_table"][-1])
            raise DataError(
                "weights.wrong_width",
                path=path,
                variant=variant.name,
                what=what,
                found=found,
                expected=expected,
                fits=fits or "no known variant",
            )
