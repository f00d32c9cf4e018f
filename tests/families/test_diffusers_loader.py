"""What diffusers' own loader makes of adapter files: the table of what it reads right, wrong, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import AceStepPipeline
from safetensors.torch import save_file
from torch import Tensor

from acetune import catalog
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, Facts
from acetune.events import Job
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.consumers import readings
from acetune.formats.format import Format
from acetune.formats.sources import AdapterFile
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
ATTENTION = ("layers.0.self_attn.to_q", "layers.1.cross_attn.to_out.0")
MLP = ("layers.0.mlp.up_proj",)
SAID = {"transformer.r": 4, "transformer.lora_alpha": 8, "transformer.peft_type": "LORA"}


@dataclass(frozen=True)
class Row:
    """A file as some trainer writes it.

    Attributes:
        outcome: "exact", "half" (scale 1 where 2 was trained), "nothing", "garbage" or "error".
        name: A module's name in the file, from ours and the official one.
        infix: Between the part and "weight".
        baked: Whether the scale of 2 is inside the weights.
        said: Whether the header has rank and alpha.
        alphas: Whether each module has an ``.alpha``.
        config: Whether it is a folder with adapter_config.json.
        modules: What is tuned.
        kind: Of the adapter.
    """

    outcome: str
    name: Callable[[str, str], str] = lambda ours, official: f"base_model.model.{official}"
    infix: str = ""
    baked: bool = False
    said: bool = False
    alphas: bool = False
    config: bool = False
    modules: tuple[str, ...] = ATTENTION
    kind: str = "lora"


ROWS = {
    "diffusers' own file": Row("exact", lambda ours, official: f"transformer.{ours}", said=True),
    "official names": Row("half"),
    "official names in a folder with a configuration": Row("half", config=True),
    "official names with the scale inside": Row("exact", baked=True),
    "official names with a header": Row("exact", said=True),
    "official names with alphas": Row("error", alphas=True),
    "bare official names": Row("exact", lambda ours, official: official, baked=True),
    "ComfyUI's names": Row("error", lambda ours, official: f"diffusion_model.decoder.{official}", baked=True),
    "ai-toolkit's names": Row("error", lambda ours, official: f"diffusion_model.{official}", baked=True),
    "only the MLP": Row("nothing", baked=True, modules=MLP),
    "only output projections": Row("nothing", baked=True, modules=ATTENTION[1:]),
    "PEFT around the class of diffusers": Row("nothing", lambda ours, official: f"base_model.model.{ours}", baked=True),
    "PEFT's slot left in": Row("garbage", infix=".default", baked=True),
    "DoRA with the scale inside": Row("exact", baked=True, kind="dora"),
}


@pytest.fixture(scope="module")
def card() -> FamilyCard:
    return family_of("tiny")[0]


@pytest.fixture(scope="module")
def family(card: FamilyCard, models: Path) -> ModelFamily:
    return card.open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


@pytest.fixture(scope="module")
def loaded(family: ModelFamily, models: Path) -> AceStepPipeline:
    family.load_network(CPU, torch.float32)
    return AceStepPipeline.from_pretrained(models / "tiny")


@pytest.fixture
def pipeline(loaded: AceStepPipeline) -> Iterator[AceStepPipeline]:
    yield loaded
    loaded.unload_lora_weights()


def trained(family: ModelFamily, kind: str, modules: tuple[str, ...]) -> tuple[torch.nn.Module, Adapter]:
    facts = Facts(
        kind=kind, rank=4, alpha=8.0, modules=modules, family="acestep_v15", variant="tiny", fingerprint=""
    )  # fmt: skip
    network = family.load_network(CPU, torch.float32)
    drawn = torch.Generator().manual_seed(2)
    parameters = attach.attach(network, facts, seed=1)
    for parameter in parameters.values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=drawn)
    return network, Adapter({name: p.detach().clone() for name, p in parameters.items()}, facts)


def write(row: Row, adapter: Adapter, card: FamilyCard, folder: Path) -> Path:
    tensors: dict[str, Tensor] = {}
    for name, value in (adapter.baked() if row.baked else adapter).weights.items():
        module = next(one for one in row.modules if name.startswith(f"{one}."))
        part = name.removeprefix(module).replace(".weight", f"{row.infix}.weight")
        tensors[row.name(module, card.official_name(module)) + part] = value
    if row.alphas:
        tensors |= {row.name(one, card.official_name(one)) + ".alpha": torch.tensor(8.0) for one in row.modules}
    said = SAID | {"transformer.target_modules": list(row.modules)}
    header = {"format": "pt", **({"lora_adapter_metadata": json.dumps(said)} if row.said else {})}
    if row.config:
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    path = folder / "adapter_model.safetensors"
    save_file(tensors, path, metadata=header)
    return folder if row.config else path


@torch.no_grad()
def matrices(network: torch.nn.Module, modules: tuple[str, ...]) -> list[Tensor]:
    layers = [network.get_submodule(name) for name in modules]
    return [layer(torch.eye(layer.in_features)) for layer in layers]


def outcome(pipeline: AceStepPipeline, path: Path, network: torch.nn.Module, modules: tuple[str, ...]) -> str:
    """Return what loading a file came to."""
    base, wanted = matrices(pipeline.transformer, modules), matrices(network, modules)
    inside = {"weight_name": "adapter_model.safetensors"} if path.is_dir() else {}
    try:
        pipeline.load_lora_weights(path, **inside)
    except ValueError:
        return "error"
    found = matrices(pipeline.transformer, modules)
    half = [(one + two) / 2 for one, two in zip(base, wanted, strict=True)]
    named = {"exact": wanted, "half": half, "nothing": base}
    return next((name for name, these in named.items() if same(found, these)), "garbage")


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(torch.allclose(one, two, atol=1e-5) for one, two in zip(found, wanted, strict=True))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_diffusers_makes_of_a_file_what_the_table_says(
    row: Row, family: ModelFamily, card: FamilyCard, pipeline: AceStepPipeline, tmp_path: Path
) -> None:
    network, adapter = trained(family, row.kind, row.modules)

    assert outcome(pipeline, write(row, adapter, card, tmp_path), network, row.modules) == row.outcome


SAID_BY_US = {"half": "other strength", "error": "refused"}


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.kind == "lora"], ids=[
    name for name, row in ROWS.items() if row.kind == "lora"
])  # fmt: skip
def test_verify_says_what_diffusers_makes_of_a_file(
    row: Row, family: ModelFamily, card: FamilyCard, tmp_path: Path
) -> None:  # fmt: skip
    path = write(row, trained(family, row.kind, row.modules)[1], card, tmp_path)
    source = AdapterFile(path, "tiny", 4.0 if row.baked else 8.0)

    found = {one.program: one for one in readings(source, source.read(), card)}

    assert found["diffusers"].outcome == SAID_BY_US.get(row.outcome, row.outcome)
    assert found["diffusers"].strength == pytest.approx({"exact": 1.0, "half": 0.5}.get(row.outcome, 0.0))


@pytest.mark.parametrize(
    ("form", "kind", "modules"),
    [
        ("universal", "lora", ATTENTION),
        ("diffusers", "lora", ATTENTION),
        ("diffusers", "dora", ATTENTION),
        ("diffusers", "lora", MLP),
    ],
)
def test_what_we_write_for_diffusers_is_exact(
    form: str, kind: str, modules: tuple[str, ...], family: ModelFamily, card: FamilyCard,
    pipeline: AceStepPipeline, tmp_path: Path,
) -> None:  # fmt: skip
    network, adapter = trained(family, kind, modules)
    chosen: Format = catalog.resolve("exporter", form)
    path = chosen.target(tmp_path, "a")
    chosen.write(chosen.held(adapter, network), card, path, torch.float32)

    assert outcome(pipeline, path, network, modules) == "exact"
