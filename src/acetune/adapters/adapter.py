"""An adapter: its weights and the facts that belong to them, in one file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from acetune import files
from acetune.adapters.kinds import kind
from acetune.errors import CorruptFile, WrongAdapter
from acetune.events import Json
from acetune.sections import WHOLE
from acetune.storage import save_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Layout of the facts in a file's header; newer files are refused.
VERSION = 1
#: Key of the facts in the header.
HEADER = "acetune"
#: Where the part of a weight's name begins that PEFT or LyCORIS gave it.
_PART = re.compile(r"\.(?=lora_|dora_|lokr_|hada_|oft_|alpha$)")
#: Lengths of rows: so few that they are never rounded; at 16 bit they would shake the frozen weights.
_LENGTHS = ("lora_magnitude_vector", "dora_scale")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What must be known to use an adapter rightly.

    Attributes:
        kind: Its name in the catalogue (`acetune.adapters.kinds`), or "full" for all weights of the network.
        rank, alpha, rslora: Give the scale; 0 where all weights are trained.
        factor: Of LoKr; None for the pair nearest to a square.
        ranks: Module to rank, where it is not ``rank``; alpha changes with it.
        modules: Names of the tuned linear layers in our network.
        family, variant, fingerprint: The network it was trained on.
        objective: How it was trained, for people.
        trigger: Activation word, if the data set had one.
        name: Of the run.
        step: Optimizer updates so far.
        start: Which adapter the training started from; None for a fresh one.
        trained_alpha: Alpha while training, where a file has the scale baked into its weights.
        strength: Recommended strength.
    """

    kind: str
    rank: int
    alpha: float
    rslora: bool = False
    factor: int | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)
    modules: tuple[str, ...]
    family: str
    variant: str
    fingerprint: str
    objective: Mapping[str, Json] = field(default_factory=dict)
    trigger: str | None = None
    name: str = ""
    step: int = 0
    start: str | None = None
    trained_alpha: float | None = None
    strength: float = 1.0

    def to_json(self) -> str:
        """Return the facts as a line of JSON."""
        return json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """Return the facts of a line that `to_json` wrote.

        Raises:
            WrongAdapter: If it is of a newer acetune.
            CorruptFile: If it holds something else, or a value that makes no sense.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            if version == VERSION:
                facts = cls(**{**values, "modules": tuple(values["modules"])})
                facts._check()
                return facts
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise CorruptFile("adapter.bad_facts", cause=repr(cause)) from cause
        raise WrongAdapter("adapter.newer", version=version, known=VERSION)

    def _check(self) -> None:
        """Raise TypeError or ValueError for a value of another type than it has, or ranks that divide by zero."""
        for types, names in _TYPES:
            odd = next((name for name in names if not isinstance(getattr(self, name), types)), None)
            if odd:
                raise TypeError(f"{odd}: {getattr(self, odd)!r:.60}")
        if not all(isinstance(name, str) for name in self.modules):
            raise TypeError("modules")
        ranks = [self.rank, *self.ranks.values()]
        if self.kind != WHOLE and not all(isinstance(rank, int) and rank > 0 for rank in ranks):
            raise ValueError("rank")


#: Types of facts in a file, and which have them.
_TYPES: Final = (
    (str, ("kind", "family", "variant", "fingerprint", "name")),
    (int, ("rank", "step", "rslora")),
    ((int, float), ("alpha", "strength")),
    ((int, NoneType), ("factor",)),
    ((int, float, NoneType), ("trained_alpha",)),
    ((str, NoneType), ("trigger", "start")),
    (dict, ("ranks", "objective")),
)


def scale(facts: Facts, module: str = "") -> float:
    """Return the factor of a module's weight change: alpha / rank, or alpha / sqrt(rank) for rsLoRA; 1 without one.

    Args:
        facts: Of the adapter.
        module: Where; it may have a rank of its own, and an alpha that is as much larger or smaller.
    """
    if facts.kind == WHOLE or kind(facts.kind).scaled is None:
        return 1.0
    rank = facts.ranks.get(module, facts.rank)
    alpha = facts.alpha * rank / facts.rank
    return alpha / (math.sqrt(rank) if facts.rslora else rank)


def module_of(name: str) -> str:
    """Return the module of a weight's name: all before the part that belongs to the adapter."""
    return _PART.split(name, maxsplit=1)[0]


@dataclass(frozen=True)
class Adapter:
    """Weights and facts.

    Attributes:
        weights: ``<module>.<part>``, modules by our network's names and parts by PEFT's, such as
            ``layers.0.self_attn.to_q.lora_A.weight`` (rank, in). Of kind "full": every weight of the network.
        facts: What they mean.
    """

    weights: Mapping[str, Tensor]
    facts: Facts

    def baked(self) -> Adapter:
        """Return the same adapter with its scale inside the weights, so that every loader applies it alike."""
        trained = self.facts.alpha if self.facts.trained_alpha is None else self.facts.trained_alpha
        facts = replace(self.facts, alpha=float(self.facts.rank), rslora=False, trained_alpha=trained)
        return Adapter(self.scaled(facts), facts)

    def scaled(self, facts: Facts) -> dict[str, Tensor]:
        """Return the weights that do the same under facts of another alpha or rule of scale."""
        carrier = kind(self.facts.kind).scaled
        return {
            name: value * (scale(self.facts, module_of(name)) / scale(facts, module_of(name)))
            if carrier and name.endswith(carrier)
            else value
            for name, value in self.weights.items()
        }

    def rounded(self, dtype: torch.dtype) -> Adapter:
        """Return the same adapter in the number format of a file; lengths of rows stay in float32."""
        weights = {name: value if name.endswith(_LENGTHS) else value.to(dtype) for name, value in self.weights.items()}
        return Adapter(weights, self.facts)


def save(adapter: Adapter, path: Path) -> None:
    """Write an adapter in our own layout: names of our network, scale not baked, facts in the header.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    with files.draft_file(path) as draft:
        save_tensors(draft, adapter.weights, {"format": "pt", HEADER: adapter.facts.to_json()})


def load(path: Path) -> Adapter:
    """Read what `save` wrote.

    Raises:
        CorruptFile: If it is damaged.
        WrongAdapter: If it has no facts, or those of a newer acetune.
    """
    weights, header = read_safetensors(path)
    if HEADER not in header:
        raise WrongAdapter("adapter.no_facts", path=path)
    return Adapter(weights, Facts.from_json(header[HEADER]))


def check(path: Path) -> None:
    """Make sure that a safetensors file is whole; its header states every length (raises as `read_safetensors`)."""
    with _opened(path):
        pass


def read_header(path: Path) -> dict[str, str]:
    """Return the header of a safetensors file (raises as `read_safetensors`)."""
    with _opened(path) as source:
        return dict(source.metadata() or {})


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and header of a safetensors file.

    Raises:
        WrongAdapter: If there is no such file.
        CorruptFile: If it is no safetensors file, or a cut one.
    """
    with _opened(path) as source:
        tensors = {name: source.get_tensor(name).clone() for name in source.keys()}  # noqa: SIM118 - no mapping
        return tensors, dict(source.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file (raises as `read_safetensors`)."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WrongAdapter("adapter.no_file", path=path)
    try:
        with safe_open(path, "pt") as source:
            yield source
    except (OSError, SafetensorError) as cause:
        raise CorruptFile("adapter.damaged", path=path, cause=cause) from cause
