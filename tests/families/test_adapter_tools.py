"""Tools for adapter files: what they promise of the result holds on the matrices that are added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from acetune import catalog
from acetune.adapters import adapter as adapters
from acetune.adapters import arithmetic
from acetune.adapters.adapter import Adapter, Facts
from acetune.adapters.arithmetic import Size
from acetune.cli.main import main
from acetune.errors import SettingError, WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import official, read_adapter
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.consumers import readings
from acetune.formats.inspecting import diff, inspect
from acetune.formats.model import write_merged
from acetune.formats.sources import AdapterFile
from acetune.formats.tools import Tuned, extract, merge, resize, scale, strip
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
LAYERS = ("layers.0.self_attn.to_q", "layers.1.mlp.up_proj", "layers.2.cross_attn.to_out.0")


@pytest.fixture(scope="module")
def card() -> FamilyCard:
    return family_of("tiny")[0]


@pytest.fixture(scope="module")
def family(card: FamilyCard, models: Path) -> ModelFamily:
    return card.open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


def made(family: ModelFamily, kind: str = "lora", seed: int = 2, **changes: object) -> Adapter:
    """Return an adapter with drawn weights, alpha twice the rank."""
    from acetune.adapters import attach

    known = {"kind": kind, "rank": 4, "alpha": 8.0, "modules": LAYERS, "family": "acestep_v15", "variant": "tiny"}
    facts = Facts(**{**known, "fingerprint": "f", "trigger": "zx", "name": "n", **changes})
    parameters = attach.attach(family.load_network(CPU, torch.float32), facts, seed=1)
    drawn = torch.Generator().manual_seed(seed)
    return Adapter({name: p.detach() + 0.1 * torch.randn(p.shape, generator=drawn) for name, p in parameters.items()},
                   facts)  # fmt: skip


def saved(adapter: Adapter, path: Path) -> AdapterFile:
    adapters.save(adapter, path)
    return AdapterFile(path)


def apart(one: Adapter, two: Adapter) -> float:
    """Return the largest difference of an element of what two adapters add."""
    pairs = [(arithmetic.change(one, name), arithmetic.change(two, name)) for name in LAYERS]
    return max(float((first - second).abs().max()) for first, second in pairs)


def test_a_resized_adapter_keeps_the_energy_that_was_asked_for(family: ModelFamily, tmp_path: Path) -> None:
    whole = made(family)
    kept = resize(saved(whole, tmp_path / "a.safetensors"), tmp_path / "b.safetensors", Size(energy=0.8))
    small = read_adapter(tmp_path / "b.safetensors")

    lost = [arithmetic.change(whole, n) - arithmetic.change(small, n) for n in LAYERS]
    shares = [
        1 - float((d.norm() / arithmetic.change(whole, n).norm()) ** 2) for d, n in zip(lost, LAYERS, strict=True)
    ]

    assert min(shares) >= 0.8 - 1e-6
    assert shares == pytest.approx([one.energy for one in kept], abs=1e-5)
    assert max(one.rank for one in kept) < 4


@pytest.mark.parametrize("kind", arithmetic.ADDED)
def test_a_resized_adapter_that_keeps_all_does_the_same(family: ModelFamily, kind: str, tmp_path: Path) -> None:
    whole = made(family, kind)
    resize(saved(whole, tmp_path / "a.safetensors"), tmp_path / "b.safetensors", Size())

    assert apart(whole, read_adapter(tmp_path / "b.safetensors")) < 1e-6


def test_a_rank_is_a_limit(family: ModelFamily, tmp_path: Path) -> None:
    kept = resize(saved(made(family), tmp_path / "a.safetensors"), tmp_path / "b.safetensors", Size(rank=2))

    assert {one.rank for one in kept} == {read_adapter(tmp_path / "b.safetensors").facts.rank} == {2}


@pytest.mark.parametrize("other", arithmetic.ADDED)
def test_merging_and_taking_away_again_is_the_identity(family: ModelFamily, other: str, tmp_path: Path) -> None:
    first, second = made(family), made(family, other, seed=3)
    one, two = saved(first, tmp_path / "a.safetensors"), saved(second, tmp_path / "b.safetensors")
    merge([one, two], [1.0, 0.7], tmp_path / "both.safetensors")
    both = AdapterFile(tmp_path / "both.safetensors")
    merge([both, two], [1.0, -0.7], tmp_path / "back.safetensors")

    assert apart(first, both.read()) > 0.05
    assert apart(first, read_adapter(tmp_path / "back.safetensors")) < 1e-6


def test_a_scaled_adapter_does_that_much_at_strength_one(family: ModelFamily, tmp_path: Path) -> None:
    whole = made(family)
    scale(saved(whole, tmp_path / "a.safetensors"), tmp_path / "b.safetensors", 0.25)
    quarter = read_adapter(tmp_path / "b.safetensors")

    ratio = arithmetic.change(quarter, LAYERS[0]) / arithmetic.change(whole, LAYERS[0])

    assert (ratio - 0.25).abs().max() < 1e-5
    assert quarter.facts.strength == 4.0


def test_a_stripped_adapter_does_the_same_and_says_nothing_of_its_training(
    family: ModelFamily, tmp_path: Path
) -> None:  # fmt: skip
    whole = made(family, objective={"lr": 1e-4}, step=7, start="secret")
    gone = strip(saved(whole, tmp_path / "a.safetensors"), tmp_path / "b.safetensors")
    with safe_open(tmp_path / "b.safetensors", "pt") as source:
        header = json.dumps(source.metadata())

    assert {"trigger", "name", "objective", "start", "step"} <= set(gone)
    assert "zx" not in header and "secret" not in header and "lr" not in header
    assert apart(whole, read_adapter(tmp_path / "b.safetensors")) < 1e-6


def test_what_a_tuned_model_is_more_than_its_base_is_extracted(family: ModelFamily, home: Path, tmp_path: Path) -> None:
    network = family.load_network(CPU, torch.float32)
    added = made(family)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    for name in LAYERS:
        weights[f"{name}.weight"] += arithmetic.change(added, name).float()
    family.save_model(weights, tmp_path / "tuned")

    kept = extract(Tuned(tmp_path / "tuned", "tiny"), tmp_path / "a.safetensors", Size(rank=4), home=home)

    assert {one.layer for one in kept} == set(LAYERS)
    assert apart(added, read_adapter(tmp_path / "a.safetensors")) < 1e-5


def test_models_that_are_the_same_have_nothing_to_extract(family: ModelFamily, home: Path, tmp_path: Path) -> None:
    family.save_model(family.load_network(CPU, torch.float32).state_dict(), tmp_path / "tuned")

    with pytest.raises(SettingError, match="No layer of"):
        extract(Tuned(tmp_path / "tuned", "tiny"), tmp_path / "a.safetensors", Size(), home=home)


def test_the_scale_of_another_trainer_is_shown_as_it_was_trained(
    family: ModelFamily, card: FamilyCard, tmp_path: Path
) -> None:  # fmt: skip
    adapter = made(family)
    alphas = {f"base_model.model.{card.official_name(name)}.alpha": torch.tensor(8.0) for name in LAYERS}
    save_file(official(adapter, card) | alphas, tmp_path / "sn.safetensors")

    found = inspect(AdapterFile(tmp_path / "sn.safetensors"))

    assert (found.kind, found.rank, found.alpha, found.scale, found.fits) == (
        "lora",
        4,
        8.0,
        2.0,
        ("tiny", "tiny-base"),
    )
    wanted = [float(arithmetic.change(adapter, name).norm()) for name in LAYERS]
    assert [layer.norm for layer in found.layers] == pytest.approx(wanted, rel=1e-5)


def test_an_adapter_beside_itself_and_its_opposite(family: ModelFamily, tmp_path: Path) -> None:
    one = saved(made(family), tmp_path / "a.safetensors")
    scale(one, tmp_path / "b.safetensors", -1.0)

    same, opposite = diff(one, one), diff(one, AdapterFile(tmp_path / "b.safetensors"))

    assert same.apart < 1e-6 and not same.facts
    assert opposite.apart == pytest.approx(2.0, rel=1e-5)
    assert opposite.layers[0].cosine == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("kind", ["dora", "oft"])
def test_what_depends_on_the_frozen_weights_is_not_computed_with(
    family: ModelFamily, kind: str, tmp_path: Path
) -> None:  # fmt: skip
    source = saved(made(family, kind), tmp_path / "a.safetensors")

    with pytest.raises(WrongAdapter, match="depends on the frozen weights"):
        resize(source, tmp_path / "b.safetensors", Size(rank=2))

    assert not (tmp_path / "b.safetensors").exists()


@pytest.mark.parametrize("kind", catalog.names("adapter"))
def test_every_kind_can_be_inspected(family: ModelFamily, kind: str, tmp_path: Path) -> None:
    found = inspect(saved(made(family, kind), tmp_path / "a.safetensors"))

    assert found.kind == kind and found.ours and all(layer.norm > 0 for layer in found.layers)


@pytest.mark.parametrize(
    ("content", "code"), [(b"", 4), (b"garbage that is no safetensors file", 4), (None, 2), ("wrong family", 2)]
)
def test_inspecting_what_is_no_adapter_is_one_clear_sentence(
    content: bytes | str | None, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        save_file({"transformer_blocks.0.attn.to_q.lora_A.weight": torch.zeros(2, 2)}, path)

    assert main(["adapter", "inspect", str(path)]) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


FILES = [
    ("universal", "lora", {"ComfyUI": "exact", "diffusers": "exact", "PEFT": "refused", "acestep.cpp": "refused"}),
    ("peft", "lora", {"PEFT": "exact", "official app": "exact", "diffusers": "exact"}),
    ("comfyui", "lora", {"ComfyUI": "exact", "diffusers": "refused", "official app": "refused"}),
    ("comfyui-generic", "lokr", {"ComfyUI": "exact", "acestep.cpp": "refused"}),
    ("kohya", "loha", {"ComfyUI": "exact", "diffusers": "refused"}),
    ("diffusers", "lora", {"ComfyUI": "nothing", "diffusers": "exact"}),
    ("lycoris", "lokr", {"ComfyUI": "exact", "official app": "exact"}),
    ("acestep-cpp", "lora", {"acestep.cpp": "exact", "ComfyUI": "exact"}),
]


@pytest.mark.parametrize(("form", "kind", "wanted"), FILES)
def test_verify_says_who_reads_a_file(
    family: ModelFamily, card: FamilyCard, form: str, kind: str, wanted: dict[str, str], tmp_path: Path
) -> None:
    adapter, network = made(family, kind), family.load_network(CPU, torch.float32)
    chosen = catalog.resolve("exporter", form)
    path = chosen.target(tmp_path, "a")
    chosen.write(chosen.held(adapter, network), card, path, torch.float32)

    found = readings(AdapterFile(path), read_adapter(path), card)

    assert {one.program: one.outcome for one in found}.items() >= wanted.items()


def test_verify_puts_the_adapter_on_its_base(
    family: ModelFamily, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(made(family), tmp_path / "a.safetensors")

    assert main(["--home", str(home), "adapter", "verify", str(tmp_path / "a.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "It fits 3 layers of tiny" in said and "other weights" in said


@pytest.mark.parametrize("kind", catalog.names("adapter"))
def test_a_merged_model_does_what_the_adapter_does_on_its_base(
    family: ModelFamily, kind: str, tmp_path: Path
) -> None:  # fmt: skip
    moved = write_merged(family, made(family, kind), tmp_path / "m", "float32")

    assert moved < 1e-5
    assert (tmp_path / "m/model_index.json").is_file()


def test_an_adapter_of_another_trainer_is_converted_and_merged(
    family: ModelFamily, card: FamilyCard, home: Path, tmp_path: Path
) -> None:  # fmt: skip
    save_file(official(made(family), card), tmp_path / "theirs.safetensors")
    command = ["adapter", "convert", str(tmp_path / "theirs.safetensors"), "--variant", "tiny", "--alpha", "8"]

    assert main(["--home", str(home), *command, "--to", "kohya", "--to", "merged", "-o", str(tmp_path)]) == 0
    written = {path.name for path in tmp_path.glob("theirs_*")}
    assert written == {"theirs_0steps_kohya.safetensors", "theirs_0steps_merged"}


def test_nothing_is_overwritten(family: ModelFamily, tmp_path: Path) -> None:
    source = saved(made(family), tmp_path / "a.safetensors")

    with pytest.raises(SettingError, match="exists already"):
        scale(source, tmp_path / "a.safetensors", 2.0)


def test_the_commands_say_what_came_of_it(
    family: ModelFamily, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    saved(made(family), tmp_path / "a.safetensors")
    path, out = str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")
    codes = [main(["adapter", "inspect", path]), main(["adapter", "resize", path, "--rank", "2", "-o", out])]
    codes += [main(["adapter", "diff", path, out]), main(["adapter", "merge", path, out, "-o", out + ".safetensors"])]
    said = capsys.readouterr().out

    assert codes == [0, 0, 0, 0]
    assert "zx" in said and "4 -> 2" in said and "All changes:" in said


@pytest.mark.parametrize("kind", arithmetic.ADDED)
def test_what_is_rounded_in_its_file_is_merged_and_scaled_without_more_rounding(
    family: ModelFamily, kind: str, tmp_path: Path
) -> None:
    rounded = made(family, kind, alpha=7.0).rounded(torch.bfloat16)
    source = saved(rounded, tmp_path / "a.safetensors")
    merge([source], [1.0], tmp_path / "b.safetensors")
    scale(source, tmp_path / "c.safetensors", 1.0)

    assert apart(rounded, read_adapter(tmp_path / "b.safetensors")) < 1e-6
    assert apart(rounded, read_adapter(tmp_path / "c.safetensors")) < 1e-6


@pytest.mark.parametrize(("rank", "energy"), [(0, 1.0), (-3, 1.0), (None, 2.0), (None, 0.0), (4, float("nan"))])
def test_a_size_that_makes_no_sense_is_refused_wherever_it_is_said(rank: int | None, energy: float) -> None:
    with pytest.raises(SettingError, match="cut down to rank"):
        Size(rank, energy)


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), float("-inf")])
def test_a_strength_that_is_no_number_is_refused(family: ModelFamily, factor: float, tmp_path: Path) -> None:
    source = saved(made(family), tmp_path / "a.safetensors")

    with pytest.raises(SettingError, match="is no number to compute with"):
        scale(source, tmp_path / "b.safetensors", factor)
    with pytest.raises(SettingError, match="is no number to compute with"):
        merge([source], [factor], tmp_path / "b.safetensors")

    assert not (tmp_path / "b.safetensors").exists()
