"""What processes of one training tell each other: JSON and tensors, so that what arrives is read and never run.

Two pieces of bytes make a message: an object in JSON, and safetensors. A pickle, as which torch would send objects, is
a program: whoever reaches the port of a training could have it run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
from torch import Tensor

from acetune import compute, errors
from acetune.errors import AcetuneError, ResourceError
from acetune.events import Json, plain

#: Words and tensors of a message as they travel.
Pieces: TypeAlias = tuple[bytes, bytes]
#: The most bytes of each: words of some 100000 songs, and any adapter.
LARGEST: Final = (1 << 30, 1 << 33)
#: Failures that are not ours, which processes tell each other too.
_FOREIGN: Final[Mapping[str, type[Exception]]] = MappingProxyType(
    {kind.__name__: kind for kind in (torch.OutOfMemoryError, OSError, RuntimeError)}
)


@dataclass(frozen=True)
class Message:
    """Something that a process tells the others.

    Attributes:
        words: An object of JSON.
        tensors: On the CPU where it is read.
    """

    words: Mapping[str, Json]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def pieces(self) -> Pieces:
        """Return what travels.

        Raises:
            ResourceError: If it is too large.
        """
        from safetensors.torch import save

        alone = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.tensors.items()}
        found = json.dumps(dict(self.words)).encode(), save(alone) if alone else b""
        check_sizes([len(piece) for piece in found])
        return found

    @classmethod
    def read(cls, pieces: Pieces) -> Message:
        """Return the message of such pieces.

        Raises:
            ResourceError: If they are none.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            words = json.loads(pieces[0].decode())
            tensors = load(pieces[1]) if pieces[1] else {}
        except (ValueError, RecursionError, SafetensorError) as cause:
            raise garbled(cause) from cause
        if not isinstance(words, dict):
            raise garbled("no object")
        return cls(words, tensors)


def check_sizes(sizes: list[int]) -> None:
    """Raise a ResourceError for pieces that no message has."""
    if any(not 0 <= size <= most for size, most in zip(sizes, LARGEST, strict=True)):
        raise garbled(f"{max(sizes)} bytes")


def garbled(cause: object) -> ResourceError:
    """Return the error of a message that no process of this acetune sends."""
    return ResourceError("training.garbled", cause=" ".join(str(cause).split())[:120])


def of_failure(failure: Exception) -> Message:
    """Return the message that says why a process failed."""
    if isinstance(failure, AcetuneError):
        params: dict[str, Json] = {name: plain(value) for name, value in failure.params.items()}
        return Message({"error": type(failure).__name__, "code": failure.code, "params": params})
    if isinstance(failure, RuntimeError) and compute.is_out_of_memory(failure):
        return Message({"error": torch.OutOfMemoryError.__name__, "says": str(failure)})
    return Message(
        {"error": (OSError if isinstance(failure, OSError) else RuntimeError).__name__, "says": str(failure)}
    )


def failure_of(message: Message) -> Exception:
    """Return the failure that such a message tells of, of the same class and with the same sentences.

    Raises:
        ResourceError: If it tells of none.
    """
    name, params = str(message.words.get("error")), message.words.get("params", {})
    if name in _FOREIGN:
        return _FOREIGN[name](message.words.get("says"))
    kind = vars(errors).get(name)
    if not isinstance(kind, type) or not issubclass(kind, AcetuneError) or not isinstance(params, dict):
        raise garbled(f"no failure called {name}")
    try:
        failure = kind(str(message.words.get("code")), **params)
        str(failure)  # sentences that lack something would fail where people wait for them
    except (KeyError, TypeError, ValueError) as cause:
        raise garbled(repr(cause)) from cause
    return failure
