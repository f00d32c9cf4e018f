"""Adapters of other trainers: PEFT folders with their own alphas, and single LoRA files under other prefixes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from acetune import catalog
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import official, read_adapter
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.format import Format
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
LAYERS = ("layers.0.self_attn.to_q", "layers.1.mlp.up_proj", "layers.2.cross_attn.to_out.0")


@pytest.fixture(scope="module")
def card() -> FamilyCard:
    return family_of("tiny")[0]


@pytest.fixture(scope="module")
def family(card: FamilyCard, models: Path) -> ModelFamily:
    return card.open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


def trained(family: ModelFamily, kind: str, **changes: object) -> tuple[torch.nn.Module, Adapter]:
    known = {"kind": kind, "rank": 4, "alpha": 8.0, "modules": LAYERS, "family": "acestep_v15", "variant": "tiny"}
    facts = Facts(**{**known, "fingerprint": "", **changes})
    network = family.load_network(CPU, torch.float32)
    parameters = attach.attach(network, facts, seed=1)
    drawn = torch.Generator().manual_seed(2)
    for parameter in parameters.values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=drawn)
    return network, Adapter({name: p.detach().clone() for name, p in parameters.items()}, facts)


@torch.no_grad()
def matrices(network: torch.nn.Module) -> list[Tensor]:
    """Return what the tuned layers do to unit vectors."""
    layers = [network.get_submodule(name) for name in LAYERS]
    return [layer(torch.eye(layer.in_features)) for layer in layers]


def same_music(family: ModelFamily, network: torch.nn.Module, read: Adapter) -> bool:
    other = family.load_network(CPU, torch.float32)
    attach.attach_trained(other, read)
    pairs = zip(matrices(other), matrices(network), strict=True)
    return all(torch.allclose(one, two, atol=1e-5) for one, two in pairs)


@pytest.mark.parametrize("kind", catalog.names("adapter"))
def test_a_peft_folder_of_another_trainer_does_what_it_did_there(
    family: ModelFamily, card: FamilyCard, kind: str, tmp_path: Path
) -> None:
    network, adapter = trained(family, kind)
    form: Format = catalog.resolve("exporter", "peft")
    form.write(form.held(adapter, network), card, tmp_path / "a", torch.float32)
    config = json.loads((tmp_path / "a/adapter_config.json").read_text())
    alpha = {"lora": "lora_alpha", "dora": "lora_alpha"}.get(kind, "alpha")
    if kind != "oft":  # theirs have the scale outside
        config |= {alpha: 8.0, "alpha_pattern": {}}
    (tmp_path / "a/adapter_config.json").write_text(json.dumps(config))
    save_file({n: t.clone() for n, t in official(adapter, card).items()}, tmp_path / "a/adapter_model.safetensors")

    read = read_adapter(tmp_path / "a", "tiny")

    assert (read.facts.kind, read.facts.rank, set(read.facts.modules)) == (kind, 4, set(LAYERS))
    assert same_music(family, network, read)


def test_alphas_and_ranks_of_single_layers_count(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    network, adapter = trained(family, "lora", ranks={LAYERS[1]: 2})
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "alpha_pattern": {"mlp.up_proj": 4}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    save_file(official(adapter, card), tmp_path / "adapter_model.safetensors")

    read = read_adapter(tmp_path, "tiny")

    assert read.facts.ranks == {LAYERS[1]: 2}
    assert same_music(family, network, read)


@pytest.mark.parametrize(
    "prefix",
    ["base_model.model.", "base_model.model.base_model.model.", "diffusion_model.decoder.", "transformer.", ""],
)
@pytest.mark.parametrize(
    "parts", [("lora_A", "lora_B"), ("lora_down", "lora_up"), ("lora_A.default", "lora_B.default")]
)
def test_a_single_lora_file_is_read_under_any_prefix(
    family: ModelFamily, card: FamilyCard, prefix: str, parts: tuple[str, str], tmp_path: Path
) -> None:
    network, adapter = trained(family, "lora")
    file = {}
    for name, tensor in official(adapter, card).items():
        plain = name.removeprefix("base_model.model.")
        file[prefix + plain.replace("lora_A", parts[0]).replace("lora_B", parts[1])] = tensor
    file |= {f"{prefix}{card.official_name(module)}.alpha": torch.tensor(8.0) for module in LAYERS}
    save_file(file, tmp_path / "theirs.safetensors")

    assert same_music(family, network, read_adapter(tmp_path / "theirs.safetensors", "tiny"))


def test_a_file_without_alpha_acts_as_in_comfyui(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    network, adapter = trained(family, "lora", alpha=4.0)  # a scale of 1
    save_file(official(adapter, card), tmp_path / "theirs.safetensors")

    assert same_music(family, network, read_adapter(tmp_path / "theirs.safetensors", "tiny"))


def test_without_a_variant_it_is_refused(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    save_file(official(trained(family, "lora")[1], card), tmp_path / "theirs.safetensors")

    with pytest.raises(WrongAdapter) as refused:
        read_adapter(tmp_path / "theirs.safetensors")

    assert refused.value.code == "adapter.no_facts"


@pytest.mark.parametrize("kind", ["dora", "lokr"])
def test_a_single_file_of_another_kind_is_refused(
    family: ModelFamily, card: FamilyCard, kind: str, tmp_path: Path
) -> None:
    network, adapter = trained(family, kind)
    form: Format = catalog.resolve("exporter", "universal")
    form.write(form.held(adapter, network), card, tmp_path / "a.safetensors", torch.float32)
    save_file(load_file(tmp_path / "a.safetensors"), tmp_path / "bare.safetensors")  # without the header

    with pytest.raises(WrongAdapter) as refused:
        read_adapter(tmp_path / "bare.safetensors", "tiny")

    assert refused.value.code == "adapter.foreign_kind" and refused.value.exit_code == 2


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")

    with pytest.raises(WrongAdapter):
        read_adapter(tmp_path / "a.safetensors", "tiny")
