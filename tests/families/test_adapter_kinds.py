"""What every kind of adapter promises, on the embedded network: its size, its strength, its files."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakSet

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor, nn

from acetune import catalog
from acetune.adapters import attach, magnitude
from acetune.adapters.adapter import Adapter, Facts, load, save, scale
from acetune.adapters.kinds import factors
from acetune.errors import SettingError, WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.format import Format, suitable, write_checked
from acetune.planning.adapters import layout
from acetune.planning.memory import MicroBatch
from acetune.recipe import family_of, resolve
from acetune.sections import AdapterSection

CPU = torch.device("cpu")
KINDS = catalog.names("adapter")
FORMS = [(kind, form) for kind in KINDS for form in ("universal", "peft") if (kind, form) != ("oft", "universal")]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def card() -> FamilyCard:
    return family_of("tiny")[0]


@pytest.fixture(scope="module")
def family(card: FamilyCard, models: Path) -> ModelFamily:
    return card.open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


def facts_of(family: ModelFamily, kind: str, **changes: object) -> Facts:
    modules = family.target_modules("attention+mlp")
    known = {"kind": kind, "rank": 4, "alpha": 12.0, "modules": modules, "variant": "tiny", "family": "acestep_v15"}
    return Facts(**{"fingerprint": "", **known, **changes})


def trained(family: ModelFamily, facts: Facts, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Adapter]:
    """Return a network with an adapter whose every weight has moved, and that adapter."""
    network = family.load_network(CPU, dtype)
    parameters = attach.attach(network, facts, seed=1)
    drawn = torch.Generator().manual_seed(2)
    for parameter in parameters.values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=drawn)
    return network, Adapter({name: p.detach().clone() for name, p in parameters.items()}, facts)


@torch.no_grad()
def matrix(layer: nn.Module) -> Tensor:
    """Return the matrix (out, in) that a layer without bias applies."""
    return layer(torch.eye(layer.in_features)).T


@every_kind
@pytest.mark.parametrize("targets", ["attention+mlp", "cross"])
@pytest.mark.parametrize("rank", [2, 8])
def test_the_planner_counts_the_weights_of_a_kind(
    family: ModelFamily, card: FamilyCard, kind: str, targets: str, rank: int
) -> None:
    facts = facts_of(family, kind, rank=rank, modules=family.target_modules(targets))
    network = family.load_network(CPU, torch.float32)

    found = sum(parameter.numel() for parameter in attach.attach(network, facts).values())

    assert found == layout(AdapterSection(kind=kind, rank=rank, targets=targets), card, family.variant.size).parameters


@pytest.mark.parametrize("factor", [2, 3, 4, 16])
def test_the_planner_counts_lokr_of_any_factor(family: ModelFamily, card: FamilyCard, factor: int) -> None:
    facts = facts_of(family, "lokr", factor=factor)
    network = family.load_network(CPU, torch.float32)

    found = sum(parameter.numel() for parameter in attach.attach(network, facts).values())

    knobs = AdapterSection(kind="lokr", rank=4, targets="attention+mlp", factor=factor)
    assert found == layout(knobs, card, family.variant.size).parameters


@pytest.mark.parametrize(
    ("width", "factor", "expected"),
    [(2048, None, (32, 64)), (127, None, (1, 127)), (128, 4, (4, 32)), (100, 8, (5, 20)), (16, 16, (16, 1))],
)
def test_a_width_is_cut_into_two_factors(width: int, factor: int | None, expected: tuple[int, int]) -> None:
    assert factors(width, factor) == expected


class Mark:
    """Lives as long as the graph keeps a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@pytest.mark.parametrize("kind", ["dora", "lokr", "loha"])
def test_the_planner_knows_what_a_kind_keeps_for_the_backward_pass(
    family: ModelFamily, card: FamilyCard, kind: str
) -> None:
    seconds = 12
    tokens = seconds * 25 // 2

    more = _kept(family, kind, 25 * seconds) - _kept(family, "lora", 25 * seconds)

    size = family.variant.size
    planner, lora = (
        layout(AdapterSection(kind=name), card, size).kept_bytes(size, MicroBatch(tokens, tokens), 2)
        for name in (kind, "lora")
    )
    # Keys and values of conditions keep less: nothing before them is trained. The planner does not count on it.
    assert 0.95 * more < planner - lora < 1.8 * more


def _kept(family: ModelFamily, kind: str, frames: int) -> int:
    """Return the bytes that the graph of a forward pass keeps in 16 bit, weights left out."""
    network = family.load_network(CPU, torch.bfloat16)
    attach.attach(network, facts_of(family, kind, modules=family.target_modules("attention")))
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    alive: WeakSet[Mark] = WeakSet()

    def pack(tensor: Tensor) -> Mark:
        alive.add(mark := Mark(tensor))
        return mark

    batch = family.probe(frames, CPU)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda mark: mark.tensor):
        velocity = family.predict(network, batch, batch.x0, torch.tensor([0.5]), torch.tensor([False]))
    storages = {mark.tensor.untyped_storage().data_ptr(): mark.tensor.untyped_storage().nbytes() for mark in alive}
    assert velocity.requires_grad
    return sum(size for place, size in storages.items() if place not in weights)


@every_kind
def test_a_kind_is_float32_over_a_16_bit_network_and_begins_as_nothing(family: ModelFamily, kind: str) -> None:
    network = family.load_network(CPU, torch.bfloat16)
    layer = network.get_submodule("layers.0.self_attn.to_q")
    x = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(0)).bfloat16()
    before = layer(x)

    parameters = attach.attach(network, facts_of(family, kind))

    assert {parameter.dtype for parameter in parameters.values()} == {torch.float32}
    assert torch.equal(network.get_submodule("layers.0.self_attn.to_q")(x), before)


@every_kind
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.5])
def test_strength_goes_on_a_straight_line_from_the_base(family: ModelFamily, kind: str, strength: float) -> None:
    facts = facts_of(family, kind)
    network, _ = trained(family, facts)
    layer = network.get_submodule("layers.1.mlp.up_proj")
    base, whole = magnitude.frozen(network, "layers.1.mlp.up_proj"), matrix(layer)

    attach.set_strength(network, facts, strength)

    assert torch.allclose(matrix(layer), base + strength * (whole - base), atol=1e-5)
    attach.set_strength(network, facts, 1.0)
    assert torch.equal(matrix(layer), whole)


@every_kind
def test_our_own_file_gives_the_adapter_back(family: ModelFamily, kind: str, tmp_path: Path) -> None:
    facts = facts_of(family, kind, **({"factor": 2} if kind == "lokr" else {}))
    _, adapter = trained(family, facts)

    save(adapter, tmp_path / "adapter.safetensors")

    read = load(tmp_path / "adapter.safetensors")
    assert read.facts == facts
    assert read.weights.keys() == adapter.weights.keys()
    assert all(torch.equal(read.weights[name], value) for name, value in adapter.weights.items())


@pytest.mark.parametrize(("kind", "form"), FORMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_format_gives_a_kind_back(
    family: ModelFamily, card: FamilyCard, kind: str, form: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    network, adapter = trained(family, facts_of(family, kind))
    chosen: Format = catalog.resolve("exporter", form)
    held = chosen.held(adapter, network)

    write_checked(chosen, held, card, chosen.target(tmp_path, "a"), dtype)

    read = read_adapter(chosen.target(tmp_path, "a"))
    assert read.facts == held.facts
    assert read.weights.keys() == held.weights.keys()
    assert all(torch.equal(read.weights[name], value) for name, value in held.rounded(dtype).weights.items())


@pytest.mark.parametrize("kind", ["lora", "dora", "lokr", "loha"])
@pytest.mark.parametrize("form", ["universal", "peft"])
def test_layers_with_ranks_of_their_own_come_back_and_do_the_same(
    family: ModelFamily, card: FamilyCard, kind: str, form: str, tmp_path: Path
) -> None:
    rslora = kind in ("lora", "dora")
    facts = facts_of(family, kind, ranks={"layers.1.self_attn.to_q": 2, "layers.2.mlp.up_proj": 8}, rslora=rslora)
    network, adapter = trained(family, facts)
    chosen: Format = catalog.resolve("exporter", form)
    write_checked(chosen, chosen.held(adapter, network), card, chosen.target(tmp_path, "a"), torch.float32)
    other = family.load_network(CPU, torch.float32)

    attach.attach_trained(other, read_adapter(chosen.target(tmp_path, "a")))

    for module in ("layers.0.self_attn.to_q", *facts.ranks):
        assert torch.allclose(matrix(other.get_submodule(module)), matrix(network.get_submodule(module)), atol=1e-5)


@pytest.mark.parametrize(("rslora", "scales"), [(False, (3.0, 3.0)), (True, (6.0, 6.0 * 2**0.5))])
def test_alpha_changes_with_the_rank_of_a_layer(family: ModelFamily, rslora: bool, scales: tuple[float, float]) -> None:
    facts = facts_of(family, "lora", ranks={"layers.0.mlp.up_proj": 8}, rslora=rslora)

    found = scale(facts, "layers.1.mlp.up_proj"), scale(facts, "layers.0.mlp.up_proj")

    assert found == pytest.approx(scales)


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_an_exported_kind_does_on_a_network_what_the_trained_one_did(
    family: ModelFamily, card: FamilyCard, kind: str, form: str, tmp_path: Path
) -> None:
    network, adapter = trained(family, facts_of(family, kind))
    chosen: Format = catalog.resolve("exporter", form)
    chosen.write(chosen.held(adapter, network), card, chosen.target(tmp_path, "a"), torch.float32)
    other = family.load_network(CPU, torch.float32)

    attach.attach_trained(other, read_adapter(chosen.target(tmp_path, "a")))

    for module in adapter.facts.modules[::9]:
        assert torch.allclose(matrix(other.get_submodule(module)), matrix(network.get_submodule(module)), atol=1e-5)


@every_kind
@pytest.mark.parametrize("ranks", [{}, {"layers.1.self_attn.to_q": 2}], ids=["one rank", "two ranks"])
def test_peft_loads_the_folder_and_does_the_same(
    family: ModelFamily, card: FamilyCard, kind: str, ranks: dict[str, int], tmp_path: Path
) -> None:
    network, adapter = trained(family, facts_of(family, kind, ranks={} if kind == "oft" else ranks))
    form: Format = catalog.resolve("exporter", "peft")
    form.write(form.held(adapter, network), card, tmp_path / "a", torch.float32)

    theirs = PeftModel.from_pretrained(_official(network, adapter, card), tmp_path / "a").base_model.model

    for module in adapter.facts.modules:
        layer = theirs.get_submodule(card.official_name(module))
        assert torch.allclose(matrix(layer), matrix(network.get_submodule(module)), atol=1e-5)


def _official(network: nn.Module, adapter: Adapter, card: FamilyCard) -> nn.Module:
    """Return a module with the frozen layers of a network under official names."""
    shell = nn.Module()
    for module in adapter.facts.modules:
        *parents, last = card.official_name(module).split(".")
        place = shell
        for name in parents:
            if name not in dict(place.named_children()):
                place.add_module(name, nn.Module())
            place = place.get_submodule(name)
        weight = magnitude.frozen(network, module)
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data.copy_(weight)
        place.add_module(last, layer)
    return shell


@pytest.mark.parametrize("kind", ["lora", "dora", "lokr", "loha"])
def test_comfyui_would_make_the_same_matrix_of_the_universal_file(
    family: ModelFamily, card: FamilyCard, kind: str, tmp_path: Path
) -> None:
    # The rules of ComfyUI 0.20.1's loader: names, no alpha means a scale of 1, lengths relative to the frozen rows.
    network, adapter = trained(family, facts_of(family, kind))
    form: Format = catalog.resolve("exporter", "universal")
    form.write(form.held(adapter, network), card, tmp_path / "a.safetensors", torch.float32)
    file = load_file(tmp_path / "a.safetensors")

    for module in adapter.facts.modules[::7]:
        weight = magnitude.frozen(network, module)
        expected = matrix(network.get_submodule(module))
        assert torch.allclose(_comfyui(file, card.official_name(module), weight), expected, atol=1e-5)


def _comfyui(file: dict[str, Tensor], official: str, weight: Tensor) -> Tensor:
    """Return the matrix that ComfyUI would compute, at strength 1."""
    peft, lycoris = f"base_model.model.{official}", "lycoris_" + official.replace(".", "_")
    if f"{lycoris}.lokr_w1" in file:
        factor = file.get(f"{lycoris}.lokr_w2")
        rank = None if factor is not None else file[f"{lycoris}.lokr_w2_b"].shape[0]
        w2 = factor if factor is not None else file[f"{lycoris}.lokr_w2_a"] @ file[f"{lycoris}.lokr_w2_b"]
        share = float(file[f"{lycoris}.alpha"]) / rank if rank else 1.0
        return weight + share * torch.kron(file[f"{lycoris}.lokr_w1"], w2)
    if f"{lycoris}.hada_w1_a" in file:
        one, two = (file[f"{lycoris}.hada_w{n}_a"] @ file[f"{lycoris}.hada_w{n}_b"] for n in "12")
        return weight + float(file[f"{lycoris}.alpha"]) / file[f"{lycoris}.hada_w1_b"].shape[0] * one * two
    changed = weight + file[f"{peft}.lora_B.weight"] @ file[f"{peft}.lora_A.weight"]
    lengths = file.get(f"{peft}.dora_scale")
    return changed if lengths is None else changed * lengths / weight.norm(dim=1, keepdim=True)


def test_row_lengths_stay_in_32_bit(family: ModelFamily, card: FamilyCard, tmp_path: Path) -> None:
    network, adapter = trained(family, facts_of(family, "dora"))
    form: Format = catalog.resolve("exporter", "universal")

    form.write(form.held(adapter, network), card, tmp_path / "a.safetensors", torch.bfloat16)

    kinds = {name.split(".")[-1]: value.dtype for name, value in load_file(tmp_path / "a.safetensors").items()}
    assert kinds == {"weight": torch.bfloat16, "dora_scale": torch.float32}


def test_an_oft_adapter_has_a_folder_and_no_single_file(family: ModelFamily) -> None:
    seen: list[object] = []

    forms = suitable(facts_of(family, "oft"), Job(seen.append))

    assert [form.name for form in forms] == ["peft"]
    assert [event.code for event in seen] == ["formats.no_single_file"]


@pytest.mark.parametrize("kind", ["dora", "lokr", "loha"])
def test_a_kind_that_diffusers_gets_wrong_says_so(family: ModelFamily, card: FamilyCard, kind: str) -> None:
    form: Format = catalog.resolve("exporter", "universal")

    caveat = form.caveat(Adapter({}, facts_of(family, kind)), card)

    assert isinstance(caveat, WrongAdapter) and caveat.code == "formats.lora_only"


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"kind": "lokr", "rslora": True}, "adapter.rslora"),
        ({"kind": "loha", "dropout": 0.1}, "adapter.dropout"),
        ({"kind": "oft", "dropout": 0.1}, "adapter.dropout"),
        ({"kind": "lora", "factor": 4}, "adapter.factor"),
        ({"kind": "oft", "rank": 5}, "Blocks of 5"),
        ({"kind": "oft", "rank_pattern": "cross=8"}, "adapter.rank_pattern"),
    ],
)
def test_knobs_that_do_nothing_for_a_kind_are_refused_by_name(
    card: FamilyCard, knobs: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        layout(AdapterSection(**knobs), card, family_of("tiny")[1].size)

    assert refused.value.exit_code == 2


@pytest.mark.parametrize("kind", ["lora", "dora", "lokr", "loha"])
def test_the_scale_is_alpha_over_rank_and_oft_has_none(family: ModelFamily, kind: str) -> None:
    assert scale(facts_of(family, kind)) == 3.0
    assert scale(facts_of(family, "oft")) == 1.0
