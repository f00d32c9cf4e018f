"""What a checkpoint holds of the network: an adapter in one file, or all weights in a folder of shards."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from acetune.adapters import adapter as adapters
from acetune.adapters.adapter import HEADER, Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.sections import WHOLE
from acetune.storage import SHARD_BYTES, save_shards, shards

#: Where all weights lie, named as diffusers names them.
NETWORK: Final = "network"
STEM: Final = "diffusion_pytorch_model"
_ADAPTER: Final = "adapter.safetensors"


def save(adapter: Adapter, folder: Path, most_bytes: int = SHARD_BYTES) -> None:
    """Write what is trained into a draft of a checkpoint, all weights in files of at most so many bytes.

    Raises:
        DiskFull, NotWritable, OSError: As the file system says.
    """
    if adapter.facts.kind != WHOLE:
        adapters.save(adapter, folder / _ADAPTER)
        return
    (folder / NETWORK).mkdir()
    facts = adapter.facts.to_json()
    save_shards(folder / NETWORK, STEM, adapter.weights, {"format": "pt", HEADER: facts}, most_bytes)


def load(folder: Path) -> Adapter:
    """Read what `save` wrote.

    Raises:
        CorruptFile: If it is damaged.
        WrongAdapter: If there is nothing, or it is of a newer acetune.
    """
    parts = [adapters.load(file) for file in _files(folder)]
    return Adapter({name: tensor for part in parts for name, tensor in part.weights.items()}, parts[0].facts)


def facts_of(folder: Path) -> Facts:
    """Return the facts alone (raises as `load`)."""
    file = _files(folder)[0]
    header = adapters.read_header(file)
    if HEADER not in header:
        raise WrongAdapter("adapter.no_facts", path=file)
    return Facts.from_json(header[HEADER])


def check(folder: Path) -> None:
    """Make sure that every file is there and whole (raises as `load`)."""
    for file in _files(folder):
        adapters.check(file)


def _files(folder: Path) -> tuple[Path, ...]:
    """Return the files with the weights."""
    whole = folder / NETWORK
    return shards(whole, STEM) if whole.is_dir() else (folder / _ADAPTER,)
