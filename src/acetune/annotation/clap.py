"""A CLAP model: sounds and sentences become vectors that are near each other where they fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from acetune import compute
from acetune.annotation import loading
from acetune.annotation.vectors import Vectors
from acetune.audio.signal import Samples, peak_normalise
from acetune.errors import DataError

if TYPE_CHECKING:
    import torch

#: The rate that CLAP listens at, and the length of what it listens to.
RATE_HZ: Final = 48_000
WINDOW_SECONDS: Final = 10
_TEXTS_AT_ONCE: Final = 32


class Clap:
    """A loaded model, until `close`.

    Args:
        model: Frozen, on its device.
        processor: That it was published with.
        device: Where to compute.
    """

    def __init__(self, model: Any, processor: Any, device: torch.device) -> None:
        self._model, self._processor, self._device = model, processor, device
        #: Inverse temperature that it was trained with to choose among sentences for a sound.
        self.scale = model.logit_scale_a.exp().item()
        fused = getattr(model.config.audio_config, "enable_fusion", False)  # trained with four views of each sound
        self._views = "fusion" if fused else "rand_trunc"

    def close(self) -> None:
        """Free the weights, whoever still holds this object."""
        self._model = self._processor = None
        compute.release(self._device)

    def hear(self, windows: Sequence[Samples]) -> Vectors:
        """Return the vectors of sounds, shape (windows, dimensions).

        Args:
            windows: Mono at 48 kHz, at most 10 s each (longer ones would be cut at random); shorter ones are repeated.
        """
        import torch

        limit = RATE_HZ * WINDOW_SECONDS
        features = self._processor.feature_extractor(
            [peak_normalise(window[:limit]) for window in windows],
            sampling_rate=RATE_HZ,
            truncation=self._views,
            padding="repeatpad",
            return_tensors="pt",
        )
        mel = features["input_features"].to(self._device, torch.float32)
        longer = torch.zeros(len(windows), 1, dtype=torch.bool, device=self._device)  # one of them at random otherwise
        with torch.inference_mode(), loading.out_of_memory():
            return _unit(self._model.get_audio_features(input_features=mel, is_longer=longer))

    def read(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of sentences, shape (texts, dimensions)."""
        import torch

        parts = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = list(texts[start : start + _TEXTS_AT_ONCE])
            tokens = self._processor.tokenizer(part, padding=True, truncation=True, return_tensors="pt")
            inputs = {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}
            with torch.inference_mode():
                parts.append(_unit(self._model.get_text_features(**inputs)))
        return np.concatenate(parts)


@contextmanager
def opened(folder: Path, device: str = "auto") -> Iterator[Clap]:
    """Yield the model of a folder; it is freed at the end of the block.

    Raises:
        DataError: If the folder holds no CLAP model, or one that lacks weights.
        SettingError: If the device cannot be used.
        OutOfMemory: If there is no room for it.
    """
    where = compute.device(device)
    clap = Clap(*_load(folder, where), where)
    try:
        yield clap
    finally:
        clap.close()


def check(folder: Path) -> None:
    """Refuse a checkpoint of another kind, before anything is loaded.

    Raises:
        DataError: If it is no CLAP model.
    """
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as cause:
        raise DataError("tagging.no_clap", path=folder, kind="?") from cause
    if kind != "clap":
        raise DataError("tagging.no_clap", path=folder, kind=kind)


def _load(folder: Path, where: torch.device) -> tuple[Any, Any]:
    """Return model and processor of a folder, in float32: cosines differ by hundredths, and the model is small."""
    import torch
    from transformers import ClapModel, ClapProcessor

    check(folder)
    try:
        with loading.out_of_memory(), loading.quietly():
            model, account = ClapModel.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
            processor = ClapProcessor.from_pretrained(folder, local_files_only=True)
            model.to(where)
    except loading.load_errors() as cause:
        raise loading.unloadable(folder, cause) from cause
    return loading.frozen(model, account["missing_keys"], folder), processor


def _unit(output: Any) -> Vectors:
    """Return vectors of length 1; transformers 5 gives an object that holds them, 4 the tensor."""
    import torch

    vectors = output if torch.is_tensor(output) else output.pooler_output
    unit: Vectors = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return unit
