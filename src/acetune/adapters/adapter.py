"""An adapter: its weights and the facts that belong to them, in one file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acetune import files
from acetune.errors import CorruptFile, WrongAdapter
from acetune.events import Json
from acetune.storage import save_tensors

if TYPE_CHECKING:
    from torch import Tensor

#: Layout of the facts in a file's header; newer files are refused.
VERSION = 1
#: Key of the facts in the header.
HEADER = "acetune"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What must be known to use an adapter rightly.

    Attributes:
        kind: "lora".
        rank, alpha, rslora: Give the scale.
        modules: Names of the tuned linear layers in our network.
        family, variant, fingerprint: The network it was trained on.
        objective: How it was trained, for people.
        trigger: Activation word, if the data set had one.
        name: Of the run.
        step: Optimizer updates so far.
        trained_alpha: Alpha while training, where a file has the scale baked into its weights.
        strength: Recommended strength.
    """

    kind: str
    rank: int
    alpha: float
    rslora: bool = False
    modules: tuple[str, ...]
    family: str
    variant: str
    fingerprint: str
    objective: Mapping[str, Json] = field(default_factory=dict)
    trigger: str | None = None
    name: str = ""
    step: int = 0
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
            CorruptFile: If it holds something else.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            if version == VERSION:
                return cls(**{**values, "modules": tuple(values["modules"])})
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise CorruptFile("adapter.bad_facts", cause=repr(cause)) from cause
        raise WrongAdapter("adapter.newer", version=version, known=VERSION)


def scale(facts: Facts) -> float:
    """Return the factor of B A in the weight change: alpha / rank, or alpha / sqrt(rank) for rsLoRA."""
    return facts.alpha / (math.sqrt(facts.rank) if facts.rslora else facts.rank)


@dataclass(frozen=True)
class Adapter:
    """Weights and facts.

    Attributes:
        weights: ``<module>.lora_A.weight`` (rank, in) and ``<module>.lora_B.weight`` (out, rank), modules by our
            network's names.
        facts: What they mean.
    """

    weights: Mapping[str, Tensor]
    facts: Facts

    def baked(self) -> Adapter:
        """Return the same adapter with its scale inside B, so that every loader applies it alike at strength 1."""
        factor = scale(self.facts)
        weights = {k: v * factor if ".lora_B." in k and factor != 1 else v for k, v in self.weights.items()}
        trained = self.facts.alpha if self.facts.trained_alpha is None else self.facts.trained_alpha
        facts = replace(self.facts, alpha=float(self.facts.rank), rslora=False, trained_alpha=trained)
        return Adapter(weights, facts)


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
