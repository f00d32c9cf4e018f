"""Reads foreign ``.pt`` files: the one place where torch unpickles, in a child process, weights only.

A pickle is a program. torch's ``weights_only`` refuses everything but tensors and plain containers; the child process
keeps even a fault in that refusal away from ours, and what it hands back is a safetensors file. There is no fall-back.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from acetune import files
from acetune.adapters.adapter import read_safetensors
from acetune.errors import DataError
from acetune.events import Json

if TYPE_CHECKING:
    from torch import Tensor

_REFUSED, _BROKEN = 3, 4
#: Key of plain values in the header of what the child writes.
_VALUES = "values"
#: What a pickle that was cut or changed makes torch's reader stumble over.
_STUMBLES = (
    EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, struct.error,
)  # fmt: skip
_PATIENCE = 600


def read_pt(path: Path, cache: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.pt`` file by name; a file that is one bare tensor has it under ``tensor``.

    Args:
        path: A file that ``torch.save`` wrote.
        cache: Folder for the converted copy, so that the child process is paid once for each content.

    Raises:
        DataError: If the file asks for anything but tensors and plain containers, or is broken.
    """
    from safetensors.torch import load_file

    converted = cache / f"{path.stem}-{files.content_hash(path)[:32]}.safetensors"
    if not converted.is_file():
        with files.draft_file(converted) as draft:
            _convert_in_child(path, draft)
    tensors: dict[str, Tensor] = load_file(converted)
    return tensors


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Json]]:
    """Return tensors and plain values of a ``.pt`` file by dotted names (raises as `read_pt`)."""
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "converted.safetensors"
        _convert_in_child(path, converted)
        tensors, header = read_safetensors(converted)
    values: dict[str, Json] = json.loads(header[_VALUES])
    return tensors, values


def _convert_in_child(path: Path, out: Path) -> None:
    """Convert a file in another process."""
    command = [sys.executable, "-m", "acetune.families.pickles", str(path), str(out)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as cause:
        raise DataError("weights.broken_pickle", path=path, cause=f"not read in {_PATIENCE:g} s") from cause
    if answer.returncode == 0:
        return
    code = "weights.unsafe_pickle" if answer.returncode == _REFUSED else "weights.broken_pickle"
    reason = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
    raise DataError(code, path=path, cause=reason)


def convert(path: Path, out: Path) -> int:
    """Write the tensors of a ``.pt`` file to a safetensors file; returns an exit code. Runs in the child."""
    from safetensors.torch import save_file

    try:
        loaded = unpickle(path)
    except DataError as error:
        print(error.params["cause"], file=sys.stderr)
        return _REFUSED if error.code == "weights.unsafe_pickle" else _BROKEN
    tensors = {name: tensor.contiguous().clone() for name, tensor in _tensors(loaded)}
    if not tensors:
        print("it holds no tensors", file=sys.stderr)
        return _BROKEN
    save_file(tensors, out, metadata={_VALUES: json.dumps(dict(_values(loaded)))})
    return 0


def unpickle(path: Path) -> object:
    """Return what ``torch.save`` wrote, tensors on the CPU. Call it in a child process only.

    Raises:
        DataError: If the file asks for anything but tensors and plain containers, or is broken.
    """
    import pickle

    import torch

    try:
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as cause:
        raise DataError("weights.unsafe_pickle", path=path, cause=_refusal(str(cause))) from cause
    except (RuntimeError, OSError) as cause:
        raise DataError("weights.broken_pickle", path=path, cause=_first_sentence(str(cause))) from cause
    except _STUMBLES as cause:
        raise DataError("weights.broken_pickle", path=path, cause="torch.save did not write it whole") from cause
    return loaded


def _refusal(text: str) -> str:
    """Return what a pickle asked for; torch's own text advises to load it without protection."""
    asked = re.search(r"GLOBAL ([\w.]+)", text)
    return f"it names {asked[1]}" if asked else "its pickle is no plain data"


def _first_sentence(text: str) -> str:
    """Return the first sentence of what torch says, without its stop."""
    return re.split(r"\.\s|\n", text)[0].rstrip(".") or "it is empty"


def _tensors(loaded: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested containers with dotted names."""
    import torch

    if isinstance(loaded, torch.Tensor):
        yield name or "tensor", loaded
    elif isinstance(loaded, dict):
        for key, value in loaded.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


def _values(loaded: object, name: str = "") -> Iterator[tuple[str, Json]]:
    """Yield numbers and texts of nested containers with dotted names."""
    if isinstance(loaded, (bool, int, float, str)):
        yield name, loaded
    elif isinstance(loaded, dict):
        for key, value in loaded.items():
            yield from _values(value, f"{name}.{key}" if name else str(key))


if __name__ == "__main__":
    sys.exit(convert(Path(sys.argv[1]), Path(sys.argv[2])))
