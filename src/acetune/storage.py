"""Tensors on the disk: one way to write safetensors, with our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; call it on a draft, inside `acetune.files.draft_file` or `draft_folder`.

    Raises:
        OSError: As the file system says (safetensors itself hides the number in a text, so that a full disk would
            look like a fault of ours).
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, path, metadata=metadata)
    except SafetensorError as cause:
        number = re.search(r"os error (\d+)", str(cause))
        if number is None:
            raise
        raise OSError(int(number[1]), str(cause), str(path)) from cause
