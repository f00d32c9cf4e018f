"""Adapter files of every format, as the programs that read them would apply them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from acetune import catalog
from acetune.adapters import attach, magnitude
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.format import Bench, Format, export_checked
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
LAYERS = ("layers.0.self_attn.to_q", "layers.1.mlp.up_proj", "layers.2.cross_attn.to_out.0")
READ = {
    "comfyui": ("lora", "dora", "lokr", "loha"),
    "comfyui-generic": ("lora", "dora", "lokr", "loha"),
    "kohya": ("lora", "dora", "lokr", "loha"),
    "lycoris": ("lokr", "loha"),
    "universal": ("lora", "dora", "lokr", "loha"),
    "acestep-cpp": ("lora",),
    "diffusers": ("lora", "dora"),
    "peft": ("lora", "dora", "lokr", "loha", "oft"),
}
PAIRS = [(form, kind) for form, kinds in READ.items() for kind in kinds]
COMFYUI = [pair for pair in PAIRS if pair[0] not in ("diffusers", "peft")]


@pytest.fixture(scope="module")
def card() -> FamilyCard:
    return family_of("tiny")[0]


@pytest.fixture(scope="module")
def family(card: FamilyCard, models: Path) -> ModelFamily:
    return card.open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


def trained(family: ModelFamily, kind: str, **changes: object) -> tuple[nn.Module, Adapter]:
    known = {"kind": kind, "rank": 4, "alpha": 8.0, "modules": LAYERS, "family": "acestep_v15", "variant": "tiny"}
    if kind != "oft":
        known["ranks"] = {LAYERS[1]: 2}
    facts = Facts(**{**known, "fingerprint": "", **changes})
    network = family.load_network(CPU, torch.float32)
    drawn = torch.Generator().manual_seed(2)
    parameters = attach.attach(network, facts, seed=1)
    for parameter in parameters.values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=drawn)
        parameter.requires_grad_(False)
    return network, Adapter({name: p.detach().clone() for name, p in parameters.items()}, facts)


def matrix(layer: nn.Module) -> Tensor:
    """Return the matrix (out, in) that a layer without bias applies, with the weights it has but without rounding."""
    exact = deepcopy(layer).double()
    return exact(torch.eye(layer.in_features, dtype=torch.float64)).T


def written(family: ModelFamily, form: str, kind: str, folder: Path, dtype: str = "float32") -> tuple[nn.Module, Path]:
    network, adapter = trained(family, kind)
    chosen: Format = catalog.resolve("exporter", form)
    target = chosen.target(folder, "a")
    export_checked(chosen, adapter, family_of("tiny")[0], target, dtype, Bench(family, network))
    return network, target


class ComfyUI:
    """ComfyUI 0.20.1's rules for LoRA files of ACE-Step 1.5: names, ``.alpha``, and what is made of a matrix."""

    def __init__(self, file: Mapping[str, Tensor]) -> None:
        self.file = {name: value.double() for name, value in file.items()}
        self.used: set[str] = set()

    def patched(self, layer: str, weight: Tensor) -> Tensor:
        """Return the matrix of ``decoder.<layer>`` at strength 1."""
        flat = layer.replace(".", "_")
        names = (f"base_model.model.{layer}", f"lycoris_{flat}", f"diffusion_model.decoder.{layer}",
                 f"lora_unet_decoder_{flat}")  # fmt: skip
        (name,) = {one for one in names if any(key.startswith(f"{one}.") for key in self.file)}
        alpha = self._take(f"{name}.alpha")
        change, rank = self._change(name)
        changed = weight + change * (1.0 if alpha is None or rank is None else float(alpha) / rank)
        lengths = self._take(f"{name}.dora_scale")
        return changed if lengths is None else changed * lengths / weight.norm(dim=1, keepdim=True)

    def _change(self, name: str) -> tuple[Tensor, int | None]:
        for up, down in (("lora_up", "lora_down"), ("lora_B", "lora_A")):
            b, a = self._take(f"{name}.{up}.weight"), self._take(f"{name}.{down}.weight")
            if b is not None:
                return b @ a, a.shape[0]
        if f"{name}.hada_w1_a" in self.file:
            one, two = (self._take(f"{name}.hada_w{n}_a") @ self._take(f"{name}.hada_w{n}_b") for n in "12")
            return one * two, self.file[f"{name}.hada_w1_b"].shape[0]
        w1, w2, a, b = (self._take(f"{name}.lokr_w{part}") for part in ("1", "2", "2_a", "2_b"))
        return torch.kron(w1, a @ b if w2 is None else w2), None if w2 is not None else b.shape[0]

    def _take(self, key: str) -> Tensor | None:
        self.used |= {key} & self.file.keys()
        return self.file.get(key)


@pytest.mark.parametrize(("form", "kind"), COMFYUI)
def test_comfyui_applies_every_key_of_a_file_and_gets_the_trained_matrix(
    family: ModelFamily, card: FamilyCard, form: str, kind: str, tmp_path: Path
) -> None:
    network, path = written(family, form, kind, tmp_path)
    reader = ComfyUI(load_file(path))

    found = [reader.patched(card.official_name(name), magnitude.frozen(network, name).double()) for name in LAYERS]

    apart = [float((one - matrix(network.get_submodule(n))).abs().max()) for one, n in zip(found, LAYERS, strict=True)]
    assert max(apart) < 1e-6
    assert reader.used == reader.file.keys()


@pytest.mark.parametrize(("form", "kind"), PAIRS)
def test_a_file_read_by_us_does_what_was_trained(family: ModelFamily, form: str, kind: str, tmp_path: Path) -> None:
    network, path = written(family, form, kind, tmp_path)
    other = family.load_network(CPU, torch.float32)

    attach.attach_trained(other, read_adapter(path))

    for name in LAYERS:
        apart = matrix(other.get_submodule(name)) - matrix(network.get_submodule(name))
        assert apart.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("form", "kind"), [(form, kind) for form in READ for kind in catalog.names("adapter") if kind not in READ[form]]
)
def test_what_a_program_cannot_read_is_refused_with_a_way_out(family: ModelFamily, form: str, kind: str) -> None:
    chosen: Format = catalog.resolve("exporter", form)

    refused = chosen.refusal(trained(family, kind)[1].facts)

    assert isinstance(refused, WrongAdapter) and "--to peft" in refused.remedy()


def test_acestep_cpp_gets_one_rank_and_whole_alphas_in_32_bit(family: ModelFamily, tmp_path: Path) -> None:
    _, path = written(family, "acestep-cpp", "lora", tmp_path, "bfloat16")
    file = load_file(path)

    alphas = {name: value for name, value in file.items() if name.endswith(".alpha")}

    assert {value.shape[0] for name, value in file.items() if "lora_A" in name} == {4}
    assert {(value.dtype, value.ndim, float(value)) for value in alphas.values()} == {(torch.float32, 0, 4.0)}
    assert len(alphas) == len(LAYERS)


def test_an_adapter_that_was_evened_out_leaves_the_network_as_it_was(family: ModelFamily, tmp_path: Path) -> None:
    network, adapter = trained(family, "lora")
    before = [matrix(network.get_submodule(name)) for name in LAYERS]
    form: Format = catalog.resolve("exporter", "acestep-cpp")

    export_checked(form, adapter, family_of("tiny")[0], tmp_path / "a.safetensors", "float32", Bench(family, network))

    assert all(torch.equal(matrix(network.get_submodule(n)), one) for n, one in zip(LAYERS, before, strict=True))


def test_an_alpha_of_a_file_counts(family: ModelFamily, tmp_path: Path) -> None:
    from safetensors import safe_open

    _, path = written(family, "kohya", "lora", tmp_path)
    with safe_open(path, "pt") as source:
        header = source.metadata()
    whole = read_adapter(path).weights["layers.0.self_attn.to_q.lora_B.weight"]
    halved = {name: value / 2 if name.endswith(".alpha") else value for name, value in load_file(path).items()}
    save_file(halved, path, metadata=header)

    assert torch.equal(read_adapter(path).weights["layers.0.self_attn.to_q.lora_B.weight"], whole / 2)
