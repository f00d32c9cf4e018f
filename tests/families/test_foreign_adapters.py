"""Adapters of other trainers: PEFT folders with their own alphas, and single LoRA files under other prefixes."""

from __future__ import annotations

import json
import re
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
from acetune.generation.request import Request
from acetune.generation.worn import worn
from acetune.recipe import family_of, resolve
from acetune.training.starting import starting_point

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


def test_without_a_variant_the_ones_that_fit_are_named(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    save_file(official(trained(family, "lora")[1], card), tmp_path / "theirs.safetensors")

    with pytest.raises(WrongAdapter) as refused:
        read_adapter(tmp_path / "theirs.safetensors")

    assert (refused.value.code, refused.value.params["known"]) == ("adapter.which_variant", "tiny, tiny-base")


#: How each program names a layer, what it calls the parts, and where it says alpha 8.
PEERS = {
    "official app": ("final/adapter", "base_model.model.{}", {}, "config"),
    "Side-Step": ("checkpoints/epoch_3", "base_model.model.{}", {}, "config"),
    "FL": ("checkpoint-epoch-3/adapter", "base_model.model.base_model.model.{}", {}, "config"),
    "SN": ("a.safetensors", "base_model.model.{}", {}, "alphas"),
    "Side-Step export": ("a.safetensors", "base_model.model.{}", {"lora_A": "lora_down", "lora_B": "lora_up"}, "alphas"),  # noqa: E501
    "ai-toolkit": ("a.safetensors", "diffusion_model.decoder.{}", {}, "alphas"),
    "diffusers": ("pytorch_lora_weights.safetensors", "transformer.{}", {}, "metadata"),
    "SimpleTuner": ("pytorch_lora_weights.safetensors", "transformer.{}", {}, "metadata"),
    "kohya": ("a.safetensors", "lora_unet_decoder_{}", {"lora_A": "lora_down", "lora_B": "lora_up"}, "alphas"),
    "PEFT's slot left in": ("a.safetensors", "base_model.model.{}", {"lora_A": "lora_A.default"}, "asked"),
}  # fmt: skip


def write_peer(peer: str, adapter: Adapter, card: FamilyCard, folder: Path) -> Path:
    """Write an adapter of alpha 8 and rank 4 as a program does, and return what a user would name."""
    place, pattern, parts, alpha = PEERS[peer]
    target = folder / place
    file = target if target.suffix else target / "adapter_model.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    spell = (lambda one: one) if "transformer" in pattern else card.official_name
    flatten = (lambda one: one.replace(".", "_")) if pattern.endswith("_{}") else (lambda one: one)
    tensors = {}
    for name, value in adapter.weights.items():
        module = next(one for one in LAYERS if name.startswith(f"{one}."))
        part = name.removeprefix(module)
        for ours, theirs in parts.items():
            part = part.replace(ours, theirs)
        tensors[pattern.format(flatten(spell(module))) + part] = value
        if alpha == "alphas":
            tensors[pattern.format(flatten(spell(module))) + ".alpha"] = torch.tensor(8.0)
    said = {"transformer.r": 4, "transformer.lora_alpha": 8, "transformer.peft_type": "LORA"}
    save_file(tensors, file, metadata={"lora_adapter_metadata": json.dumps(said)} if alpha == "metadata" else None)
    if alpha == "config":
        (target / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    return target.parent if target.name == "adapter" else target


@pytest.mark.parametrize("peer", PEERS)
def test_an_adapter_of_every_peer_does_what_it_did_there(
    family: ModelFamily, card: FamilyCard, peer: str, tmp_path: Path
) -> None:
    network, adapter = trained(family, "lora")
    path = write_peer(peer, adapter, card, tmp_path)

    read = read_adapter(path, "tiny", 8.0 if PEERS[peer][3] == "asked" else None)

    assert (read.facts.rank, read.facts.trained_alpha) == (4, 8.0)
    assert same_music(family, network, read)


@pytest.mark.parametrize("kind", ["lokr", "loha"])
@pytest.mark.parametrize("prefix", ["lycoris_", "lora_unet_decoder_", "diffusion_model.decoder."])
def test_a_lycoris_file_of_the_official_app_does_what_it_did_there(
    family: ModelFamily, card: FamilyCard, kind: str, prefix: str, tmp_path: Path
) -> None:
    network, adapter = trained(family, kind)
    tensors, whole = {}, {"lokr": 4.0, "loha": 8.0}[kind]  # LyCORIS has no scale where both matrices are whole
    adapter = adapter if kind == "loha" else adapter.baked()
    for module in LAYERS:
        official_name = card.official_name(module)
        name = prefix + (official_name if prefix.endswith(".") else official_name.replace(".", "_"))
        cut = f"{module}.lokr_w2_a" in adapter.weights
        own = {n: v for n, v in adapter.weights.items() if n.startswith(f"{module}.")}
        tensors |= {name + n.removeprefix(module): v for n, v in own.items()}
        tensors[f"{name}.alpha"] = torch.tensor(4.0 if cut else whole)
    config = json.dumps({"linear_dim": 4, "linear_alpha": 4, "factor": -1})
    save_file(tensors, tmp_path / f"{kind}_weights.safetensors", metadata={f"{kind}_config": config})

    assert same_music(family, network, read_adapter(tmp_path, "tiny"))


def test_matrices_that_another_trainer_cut_in_two_are_multiplied_out(
    family: ModelFamily, card: FamilyCard, tmp_path: Path
) -> None:
    network, adapter = trained(family, "lokr", rank=64, alpha=64.0)  # all whole
    tensors = {}
    for name, value in adapter.weights.items():
        theirs = "lycoris_" + card.official_name(name.rpartition(".")[0]).replace(".", "_")
        rank = min(value.shape)
        a, b = (value, torch.eye(value.shape[1])) if value.shape[1] == rank else (torch.eye(value.shape[0]), value)
        tensors |= {f"{theirs}.{name.rpartition('.')[2]}_a": a, f"{theirs}.{name.rpartition('.')[2]}_b": b.contiguous()}
    save_file(tensors, tmp_path / "a.safetensors")

    assert same_music(family, network, read_adapter(tmp_path / "a.safetensors", "tiny"))


def test_a_training_checkpoint_of_sn_gives_its_weights(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    network, adapter = trained(family, "lora")
    inside = {
        "decoder." + name.removeprefix("base_model.model.").replace(".weight", ".lora_adapter.weight"): value
        for name, value in official(adapter, card).items()
    }
    state = {"lora_state_dict": inside, "config": {"lora_alpha": 8}, "optimizer_state_dict": {"state": {0: {}}}}
    torch.save(state | {"global_step": 7, "rng": torch.zeros(2)}, tmp_path / "a_checkpoint.pt")

    assert same_music(family, network, read_adapter(tmp_path / "a_checkpoint.pt", "tiny"))


def test_a_training_state_without_weights_says_where_they_are(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "optimizer_state_dict": {"m": torch.zeros(2)}}, tmp_path / "training_state.pt")

    with pytest.raises(WrongAdapter, match="holds no adapter weights"):
        read_adapter(tmp_path / "training_state.pt", "tiny")


def test_what_a_person_says_of_alpha_goes_before_what_the_file_says(
    family: ModelFamily, card: FamilyCard, tmp_path: Path
) -> None:
    network, adapter = trained(family, "lora")
    path = write_peer("SN", adapter, card, tmp_path)
    halved = {name: value / 2 if name.endswith(".alpha") else value for name, value in load_file(path).items()}
    save_file(halved, path)

    assert same_music(family, network, read_adapter(path, "tiny", 8.0))


def test_a_variant_that_a_file_names_need_not_be_said(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    path = write_peer("SN", trained(family, "lora")[1], card, tmp_path)
    save_file(load_file(path), path, metadata={"model": "D:\\models\\acestep-v15-turbo"})

    assert read_adapter(path).facts.variant == "turbo"


@pytest.mark.parametrize(
    ("name", "variant", "code"),
    [
        ("base_model.model.transformer_blocks.0.attn.to_q.lora_A.weight", "tiny", "adapter.nothing_matches"),
        ("transformer_blocks.0.attn.to_q.lora_A.weight", None, "adapter.fits_nothing"),
        ("layers.0.self_attn.q_proj.dora_scale", "tiny", "adapter.unsaid_lengths"),
        ("layers.0.self_attn.q_proj.hada_t1", "tiny", "adapter.foreign_kind"),
        ("layers.0.self_attn.q_proj.weight", "tiny", "adapter.nothing_matches"),
    ],
)
def test_what_cannot_be_read_is_one_clear_sentence(name: str, variant: str | None, code: str, tmp_path: Path) -> None:
    save_file({name: torch.zeros(2, 2)}, tmp_path / "a.safetensors")

    with pytest.raises(WrongAdapter) as refused:
        read_adapter(tmp_path / "a.safetensors", variant)

    assert refused.value.code == code and refused.value.exit_code == 2
    assert "\n" not in refused.value.message()


def test_layers_that_the_variant_does_not_have_are_named(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    path = write_peer("SN", trained(family, "lora")[1], card, tmp_path)
    save_file(load_file(path) | {"base_model.model.layers.99.mlp.up_proj.lora_A.weight": torch.zeros(4, 2)}, path)

    with pytest.raises(WrongAdapter, match="layers.99.mlp.up_proj"):
        read_adapter(path, "tiny")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")

    with pytest.raises(WrongAdapter):
        read_adapter(tmp_path / "a.safetensors", "tiny")


@pytest.mark.parametrize(
    ("kind", "part"),
    [("lora", "lora_A.weight"), ("lora", "lora_B.weight"), ("dora", "lora_magnitude_vector"), ("loha", "hada_w1_a"),
     ("lokr", "lokr_w1"), ("lokr", "lokr_w2_a")],
)  # fmt: skip
def test_a_layer_that_lacks_a_part_is_named(
    family: ModelFamily, card: FamilyCard, kind: str, part: str, tmp_path: Path
) -> None:
    tensors = official(trained(family, kind, rank=1)[1], card)
    gone = next(name for name in tensors if name.endswith(part))
    save_file({name: value for name, value in tensors.items() if name != gone}, tmp_path / "a.safetensors")

    with pytest.raises(WrongAdapter, match="lacks a part of layers") as refused:
        read_adapter(tmp_path / "a.safetensors", "tiny")

    assert part.removesuffix("_a") in str(refused.value.params["missing"])


@pytest.mark.parametrize(
    "header",
    [
        {"ss_network_dim": "Dynamic", "ss_network_alpha": "Dynamic"},
        {"ss_network_dim": "4", "ss_network_alpha": "None"},
        {"lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": None})},
        {"lora_adapter_metadata": json.dumps({"transformer.alpha_pattern": {"to_q": None}, "transformer.r": [4]})},
    ],
)
def test_what_is_no_number_is_as_if_nobody_said_it(
    family: ModelFamily, card: FamilyCard, header: dict[str, str], tmp_path: Path
) -> None:
    network, adapter = trained(family, "lora", alpha=4.0)  # a scale of 1
    save_file(official(adapter, card), tmp_path / "a.safetensors", metadata=header)
    told: list[object] = []

    read = read_adapter(tmp_path / "a.safetensors", "tiny", job=Job(told.append))

    assert same_music(family, network, read)
    assert any("adapter.unsaid_alpha" in str(event) for event in told)


@pytest.mark.parametrize("door", ["generate", "start"])
def test_whoever_uses_an_adapter_hears_what_it_does_not_say(
    family: ModelFamily, card: FamilyCard, door: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(official(trained(family, "lora")[1], card), path)
    told: list[object] = []
    if door == "generate":
        worn(Request(caption="", variant="tiny", adapter=path), Job(told.append))
    else:
        settings = {"model.variant": "tiny", "adapter.start": str(path), "adapter.rank": 4,
                    "adapter.targets": "re:" + "|".join(map(re.escape, LAYERS))}  # fmt: skip
        starting_point(resolve([("test", settings)]).recipe, Job(told.append))

    assert sum("adapter.unsaid_alpha" in str(event) for event in told) == 1
    assert "adapter convert --alpha" in WrongAdapter("adapter.unsaid_alpha", path=path).remedy()
