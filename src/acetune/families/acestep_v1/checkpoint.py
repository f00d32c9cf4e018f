"""Opens a checkpoint of ACE-Step v1, finding and fetching what is missing, and writes one with another network."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acetune import compute, files
from acetune.annotation.loading import quietly
from acetune.errors import DataError, DownloadFailed, MissingDependency
from acetune.events import Job
from acetune.families import hub, weights
from acetune.families import tensors as files_of_tensors
from acetune.families.acestep_v1 import names, places, tiny
from acetune.families.acestep_v1.places import FOLDERS, Found
from acetune.families.acestep_v1.sizes import V1Size
from acetune.families.tensors import TensorRef, read_json, read_shards
from acetune.families.variant import Variant

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from acetune.families.acestep_v1.network import AceStepV1Transformer

_STEM = "diffusion_pytorch_model"
#: Where the vocabulary of lyrics is published; it is held to its hash.
_VOCABULARY_URL = "https://raw.githubusercontent.com/ace-step/ACE-Step/main/acestep/models/lyrics_utils/vocab.json"
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint: nothing is read until it is asked for, one part at a time."""

    variant: Variant
    found: Found
    refs: Mapping[str, Mapping[str, TensorRef]] = field(repr=False)

    @property
    def vocabulary(self) -> Path:
        """The vocabulary of lyrics."""
        assert self.found.vocabulary is not None  # `obtain` saw to it
        return self.found.vocabulary

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """What names the weights of each part; layers that nothing reads do not count."""
        read = {part: {n: r for n, r in refs.items() if not names.is_dead(n)} for part, refs in self.refs.items()}
        return {part: files_of_tensors.fingerprint(refs) for part, refs in read.items()}

    def network(self, device: torch.device, dtype: torch.dtype) -> AceStepV1Transformer:
        """Return the network, frozen, in evaluation mode.

        Raises:
            DataError: If its tensors are not exactly those of its class.
        """
        import torch

        from acetune.families.acestep_v1.network import AceStepV1Transformer

        with torch.device("meta"):
            network = AceStepV1Transformer(config_of(self.variant))
        read = {name: ref for name, ref in self.refs["network"].items() if not names.is_dead(name)}
        tensors = files_of_tensors.read(read, device, dtype)
        placed = {n: (t.squeeze(-1) if names.is_narrow(n) else t).clone() for n, t in tensors.items()}
        _load(network, placed, "network", self.found.root)
        return network.to(device).requires_grad_(False).eval()

    def autoencoder(self, device: torch.device) -> Any:
        """Return diffusers' autoencoder in float32."""
        import inspect

        import torch
        from diffusers import AutoencoderDC

        known = inspect.signature(AutoencoderDC.__init__).parameters
        stated = read_json(self.found.root / FOLDERS["vae"] / "config.json")
        with torch.device("meta"):
            made = AutoencoderDC(**{n: _tuples(v) for n, v in stated.items() if n in known and not n.startswith("_")})
        _load(made, files_of_tensors.read(self.refs["vae"], device, torch.float32), "vae", self.found.root)
        return made.to(device).requires_grad_(False).eval()

    def vocoder(self, device: torch.device) -> nn.Module:
        """Return the vocoder in float32."""
        import torch

        from acetune.families.acestep_v1.vocoder import Vocoder, VocoderConfig, plain_weights

        stated = read_json(self.found.root / FOLDERS["vocoder"] / "config.json")
        fields = {
            "bands": "input_channels", "depths": "depths", "widths": "dims", "strides": "upsample_rates",
            "kernels": "upsample_kernel_sizes", "channels": "upsample_initial_channel",
            "dilated": "resblock_kernel_sizes",
        }  # fmt: skip
        sizes: dict[str, Any] = {ours: _tuples(stated[theirs]) for ours, theirs in fields.items() if theirs in stated}
        with torch.device("meta"):
            made = Vocoder(VocoderConfig(**sizes))
        stored = files_of_tensors.read(self.refs["vocoder"], torch.device("cpu"), torch.float32)
        _load(made, plain_weights(stored), "vocoder", self.found.root)
        return made.to(device).requires_grad_(False).eval()

    def text_encoder(self, device: torch.device, dtype: torch.dtype) -> Any:
        """Return UMT5's encoder."""
        from transformers import UMT5EncoderModel

        with quietly():
            made = UMT5EncoderModel.from_pretrained(self.found.root / FOLDERS["text"], dtype=dtype)
        return made.to(device).requires_grad_(False).eval()

    def text_tokenizer(self) -> Any:
        """Return UMT5's tokenizer, exactly as its file stands; it appends one end token by itself."""
        from transformers import PreTrainedTokenizerFast

        file = self.found.root / FOLDERS["text"] / "tokenizer.json"
        return PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token="<pad>", eos_token="</s>")

    def read_network(self) -> dict[str, Tensor]:
        """Return the network's weights under our names and shapes, in the number format of the file."""
        from safetensors import safe_open

        found = {}
        for name, ref in self.refs["network"].items():
            if not names.is_dead(name):
                with safe_open(ref.file, framework="pt") as stream:
                    tensor = stream.get_tensor(ref.key)
                found[name] = tensor.squeeze(-1) if names.is_narrow(name) else tensor
        return found

    def save(self, network: Mapping[str, Tensor], folder: Path) -> None:
        """Write a checkpoint with another network into an empty folder; dead layers and all other parts go along.

        Args:
            network: All its weights under our names, on the CPU.
            folder: Empty.

        Raises:
            DataError: If a weight is missing or unexpected.
            OSError: As the file system says.
        """
        import torch
        from safetensors.torch import save_file

        dtype = next(iter(network.values())).dtype
        dead = {name: ref for name, ref in self.refs["network"].items() if names.is_dead(name)}
        wanted = self.refs["network"].keys() - dead.keys()
        if network.keys() != wanted:
            _refuse("network", wanted - network.keys(), network.keys() - wanted, len(network.keys() & wanted))
        stored = {n: (t.unsqueeze(-1) if names.is_narrow(n) else t).contiguous() for n, t in network.items()}
        stored |= files_of_tensors.read(dead, torch.device("cpu"), dtype)
        for part, name in FOLDERS.items():
            if part != "network":
                shutil.copytree(self.found.root / name, folder / name)
        target = folder / FOLDERS["network"]
        target.mkdir()
        shutil.copyfile(self.found.root / FOLDERS["network"] / "config.json", target / "config.json")
        save_file(stored, target / f"{_STEM}.safetensors", metadata={"format": "pt"})
        shutil.copyfile(self.vocabulary, folder / places.VOCABULARY)


def config_of(variant: Variant) -> Any:
    """Return the sizes of a variant's network."""
    from acetune.families.acestep_v1.network import NetworkConfig

    size = variant.size
    assert isinstance(size, V1Size)
    return NetworkConfig(
        channels=size.channels // size.rows, rows=size.rows, layers=size.layers, heads=size.heads,
        head_dim=size.head_dim, mlp_ratio=size.intermediate / size.hidden, speaker_width=size.speaker_width,
        text_width=size.condition_width, vocabulary=size.vocabulary, lyric_width=size.lyric_width,
        lyric_heads=size.lyric_heads, lyric_units=size.lyric_units, lyric_layers=size.lyric_layers,
        ssl_depth=size.ssl_depth, ssl_widths=size.ssl_widths,
    )  # fmt: skip


def open_checkpoint(variant: Variant, path: Path | None, models: Path, job: Job) -> Checkpoint:
    """Find the weights of a variant, fetch what is missing, and open them (raises as `FamilyCard.open`)."""
    found = obtain(variant, path, models, job)
    stems = {"text": "model"}
    refs = {part: read_shards(found.root / folder, stems.get(part, _STEM)) for part, folder in FOLDERS.items()}
    return Checkpoint(variant, found, refs)


def obtain(variant: Variant, path: Path | None, models: Path, job: Job) -> Found:
    """Return where a variant is, making or fetching what is missing.

    Raises:
        MissingDependency: If something is not here and may not be fetched.
        DownloadFailed: If it could not be fetched whole.
        DataError: If the path is no checkpoint of this family.
    """
    if variant.embedded and path is None:
        path = tiny.materialise(variant, models)
    found = places.locate(variant, path, models)
    if found is None:
        if compute.offline():
            sizes = weights.in_gb(sum(repository.size_bytes for repository in variant.repositories))
            licence = variant.repositories[0].licence
            raise MissingDependency("weights.missing", name=variant.name, parts="all", size=sizes, licence=licence)
        for repository in variant.repositories:
            hub.download(repository, models, job)
        found = places.locate(variant, path, models)
    if found is None:
        raise DownloadFailed("weights.incomplete", name=variant.name, repository=variant.repositories[0].id)
    if found.vocabulary is None:
        found = Found(found.root, fetch_vocabulary(models / "checkpoints" / places.own_folder(variant)))
    return found


def fetch_vocabulary(folder: Path) -> Path:
    """Fetch the published vocabulary of lyrics into a folder.

    Raises:
        MissingDependency: If downloads are forbidden.
        DownloadFailed: If it cannot be fetched, or is another file by now.
    """
    import httpx

    target = folder / places.VOCABULARY
    if compute.offline():
        raise MissingDependency("lyrics.no_vocabulary", path=target)
    try:
        answer = httpx.get(_VOCABULARY_URL, timeout=_TIMEOUT, follow_redirects=True).raise_for_status()
    except httpx.HTTPError as cause:
        raise DownloadFailed("lyrics.not_fetched", path=target, cause=cause or type(cause).__name__) from cause
    folder.mkdir(parents=True, exist_ok=True)
    with files.draft_file(target) as draft:
        draft.write_bytes(answer.content)
        if not places.is_published(draft):
            raise DownloadFailed("lyrics.not_fetched", path=target, cause="its SHA-256 is another")
    return target


def _load(module: nn.Module, tensors: Mapping[str, Tensor], part: str, root: Path) -> None:
    """Give a module on the meta device its weights, strictly.

    Raises:
        DataError: If one is missing, unexpected or of another shape.
    """
    expected = module.state_dict()
    matched = {name for name in expected.keys() & tensors.keys() if expected[name].shape == tensors[name].shape}
    if len(matched) != len(expected) or len(matched) != len(tensors):
        _refuse(part, expected.keys() - matched, tensors.keys() - matched, len(matched))
    module.load_state_dict(dict(tensors), strict=True, assign=True)


def _refuse(part: str, missing: set[str], unexpected: set[str], matched: int) -> None:
    """Say which tensors do not fit.

    Raises:
        DataError: Always.
    """
    kinds = {"missing or of another shape": missing, "unexpected or of another shape": unexpected}
    faults = "; ".join(
        f"{len(found)} {kind} ({', '.join(sorted(found)[:3])})" for kind, found in kinds.items() if found
    )
    code = "weights.mismatch" if matched else "weights.no_match"
    raise DataError(code, component=part, matched=matched, faults=faults)


def _tuples(value: object) -> object:
    """Return JSON lists as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
