"""Models of transformers from a folder, in the best number format that fits, freed for certain at the end."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acetune import compute
from acetune.errors import AcetuneError, DataError, MissingDependency, OutOfMemory

if TYPE_CHECKING:
    import torch

#: Bytes of a weight by number format; four-bit models keep embeddings and norms in 16 bits (estimate for 7B).
_WEIGHT_BYTES: Final[Mapping[str, float]] = {"half": 2.0, "nf4": 0.9}
#: Bytes that a song needs beside the weights: 6,000 audio tokens of cache, and the audio tower at work (estimate).
_WORK_BYTES: Final = 2.0e9
#: Smaller models cost little in float32, which every processor computes well.
_SMALL: Final = 1.0e9


@contextmanager
def loaded(model_class: Any, folder: Path, device: str, prefix: str = "") -> Iterator[Any]:
    """Yield a model of transformers, frozen, in the best number format that fits; at the end its weights are gone.

    Args:
        model_class: A class with `from_pretrained`.
        folder: Its checkpoint.
        device: As `compute.device` knows it.
        prefix: Of the names of its tensors, where the checkpoint holds more than this model.

    Raises:
        DataError: If the folder holds another kind of model, or lacks some of its weights.
        OutOfMemory: If it fits in no format.
        MissingDependency: If it would fit with a package that is not here.
    """
    where = compute.device(device)
    model = _load(model_class, folder, where, fitting_format(count_parameters(folder, prefix), where))
    try:
        yield model
    finally:
        empty(model, where)


def empty(model: Any, where: torch.device) -> None:
    """Free the memory of a model for certain: whoever still holds it holds nothing."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.new_empty(0)
    compute.release(where)


def lack_of_room(folder: Path, device: str, prefix: str = "") -> MissingDependency | None:
    """Return why a model will not fit, None where it will or where nobody can tell; torch is not asked.

    Arguments are those of `loaded`.

    Raises:
        DataError: If a file of the checkpoint is damaged.
    """
    on_processor, free = compute.room(device)
    parameters = count_parameters(folder, prefix)
    number_format = _best_format(parameters, free, on_processor)
    if number_format is None:
        return MissingDependency("listening.too_big", **_sizes(parameters, free, on_processor))
    if number_format == "nf4" and not _has_bitsandbytes():
        return MissingDependency("listening.needs_four_bits", **_sizes(parameters, free, on_processor))
    return None


def fitting_format(parameters: int, where: torch.device) -> str:
    """Return "float32", "half" (16 bits) or "nf4" (4 bits): the best that free memory has room for.

    Raises:
        OutOfMemory: If it has room for none.
        MissingDependency: If it has room for nf4 and bitsandbytes is missing.
    """
    _, free = compute.memory(where)
    on_processor = where.type == "cpu"
    number_format = _best_format(parameters, free, on_processor)
    if number_format is None:
        raise OutOfMemory("listening.too_big", **_sizes(parameters, free, on_processor))
    if number_format == "nf4" and not _has_bitsandbytes():
        raise MissingDependency("listening.needs_four_bits", **_sizes(parameters, free, on_processor))
    return number_format


def _best_format(parameters: int, free: int | None, on_processor: bool) -> str | None:
    """Return the best number format that so much memory has room for; four bits are of no use to a processor."""
    if on_processor and parameters < _SMALL:
        return "float32"
    formats = ("half",) if on_processor else ("half", "nf4")
    return next((name for name in formats if free is None or _needed(parameters, name) <= free), None)


def _needed(parameters: int, number_format: str) -> float:
    """Return the bytes of a model at work."""
    return parameters * _WEIGHT_BYTES[number_format] + _WORK_BYTES


def _sizes(parameters: int, free: int | None, on_processor: bool) -> dict[str, str]:
    """Return what a message says: the least memory that is needed, what is free, and what a whole model takes."""
    least = _needed(parameters, "half" if on_processor else "nf4")
    return {"needed": _gb(least), "whole": _gb(_needed(parameters, "half")), "free": _gb(free or 0)}


def count_parameters(folder: Path, prefix: str = "") -> int:
    """Return the number of weights of a checkpoint, of those with a prefix if any have it; headers alone are read.

    Raises:
        DataError: If a file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    counts: dict[str, int] = {}
    try:
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, framework="np") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                    counts[name] = math.prod(tensors.get_slice(name).get_shape())
    except (SafetensorError, OSError) as cause:
        raise unloadable(folder, cause) from cause
    own = {name: count for name, count in counts.items() if name.startswith(prefix)}
    if not counts:  # an older kind of file: 16 bits a weight, or fewer weights than that
        return sum(file.stat().st_size for file in folder.glob("*.bin")) // 2
    return sum((own or counts).values())


def is_slow(model: Any) -> bool:
    """Whether a model is so large that a processor takes minutes for one song."""
    return bool(model.device.type == "cpu" and model.num_parameters() >= _SMALL)


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Turn what torch says about a full device into our error.

    Raises:
        OutOfMemory: Where the block ran out of memory.
    """
    try:
        yield
    except AcetuneError:
        raise
    except RuntimeError as cause:
        if not compute.is_out_of_memory(cause):
            raise
        raise OutOfMemory("listening.out_of_memory") from cause


def _load(model_class: Any, folder: Path, where: torch.device, number_format: str) -> Any:
    """Return a model with all its weights."""
    import torch

    half = compute.dtype("auto", where)
    if half.itemsize != 2:  # compute chooses float32 there, which is exact and twice as large
        half = torch.bfloat16
    options: dict[str, Any] = {"dtype": torch.float32 if number_format == "float32" else half}
    if number_format == "nf4":
        options["quantization_config"] = _four_bits(half)
    try:
        with out_of_memory(), quietly():
            model, account = model_class.from_pretrained(
                folder, **options, device_map={"": where}, local_files_only=True, output_loading_info=True
            )
    except load_errors() as cause:
        raise unloadable(folder, cause) from cause
    return frozen(model, account["missing_keys"], folder)


def frozen(model: Any, missing: Collection[str], folder: Path) -> Any:
    """Return a model that only listens.

    Raises:
        DataError: If the folder lacked some of its weights.
    """
    if missing:
        raise unloadable(folder, f"{len(missing)} of its weights are missing, {min(missing)} first")
    return model.eval().requires_grad_(False)


def speech_readers(folder: Path) -> tuple[Any, Any]:
    """Return tokenizer and mel front end of a checkpoint.

    Raises:
        DataError: If it has none.
    """
    from transformers import AutoTokenizer, WhisperFeatureExtractor

    try:
        with quietly():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            return tokenizer, WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except load_errors() as cause:
        raise unloadable(folder, cause) from cause


def load_errors() -> tuple[type[Exception], ...]:
    """Return what transformers and the libraries below it raise for a folder that is not what it should be."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    known = (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError)
    return (*known, SafetensorError, StrictDataclassError)


def unloadable(path: Path, cause: object) -> DataError:
    """Return the error of a folder that is not what it should be, with the reason in one line."""
    first = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".:")
    return DataError("listening.unloadable", path=path, cause=first[:200])


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' progress bars away: progress is told through `Job`."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _four_bits(half: torch.dtype) -> Any:
    """Return NF4 with double quantisation, computed in 16 bits (QLoRA, arXiv 2305.14314)."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=half,
    )


def _has_bitsandbytes() -> bool:
    """Whether weights can be held in four bits here."""
    from importlib.util import find_spec

    return find_spec("bitsandbytes") is not None


def _gb(size: float) -> str:
    """Return a size in words."""
    return f"{size / 1e9:.1f} GB"
