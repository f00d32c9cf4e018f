"""Where exports go: inside the folder that was named, and never over what is read or what others wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from acetune import catalog
from acetune.adapters import adapter as adapters
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import CorruptFile, SettingError
from acetune.events import Job
from acetune.families.family import ModelFamily
from acetune.formats.export import export
from acetune.formats.format import Bench, export_checked, write_checked
from acetune.formats.model import write_merged
from acetune.formats.sources import AdapterFile
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
FACTS = Facts(kind="lora", rank=4, alpha=8.0, modules=("layers.0.self_attn.to_q",), family="acestep_v15",
              variant="tiny", fingerprint="", name="a", step=6)  # fmt: skip


@pytest.fixture(scope="module")
def family(models: Path) -> ModelFamily:
    return family_of("tiny")[0].open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


@pytest.fixture(scope="module")
def trained(family: ModelFamily) -> Adapter:
    parameters = attach.attach(family.load_network(CPU, torch.float32), FACTS, seed=1)
    return Adapter({name: parameter.detach() + 0.1 for name, parameter in parameters.items()}, FACTS)


def saved(trained: Adapter, path: Path, **changes: object) -> Path:
    adapters.save(Adapter(trained.weights, replace(trained.facts, **changes)), path)  # type: ignore[arg-type]
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "form"),
    [("../../evil", "universal"), ("../../evil", "peft"), ("../../evil", "merged"), ("/tmp/evil", "peft"),
     ("..", "peft"), ("a/b", "peft"), ("a\\b", "universal"), ("CON", "universal")],
)  # fmt: skip
def test_a_name_inside_a_file_leads_nowhere_else(
    trained: Adapter, home: Path, tmp_path: Path, name: str, form: str
) -> None:  # fmt: skip
    source = saved(trained, tmp_path / "in" / "given.safetensors", name=name)

    (written,) = export(source, to=(form,), out=tmp_path / "deep" / "out", home=home)

    assert written.parent == tmp_path / "deep" / "out" and written.name.startswith("given_6steps")


@pytest.mark.parametrize(
    ("fact", "value"),
    [("name", 5), ("name", None), ("step", "../6"), ("rank", "4"), ("rank", 0), ("alpha", "8"), ("ranks", {"a": 0}),
     ("ranks", [1]), ("modules", [1]), ("variant", None), ("strength", None), ("trigger", 3)],
)  # fmt: skip
def test_facts_of_another_type_are_one_clear_sentence(fact: str, value: object) -> None:
    text = json.dumps({**json.loads(FACTS.to_json()), fact: value})

    with pytest.raises(CorruptFile, match="facts in the adapter's header are damaged") as refused:
        Facts.from_json(text)

    assert fact.removesuffix("s") in str(refused.value)


@pytest.mark.parametrize("form", ["peft", "merged"])
def test_a_folder_of_somebody_is_left_alone(trained: Adapter, home: Path, tmp_path: Path, form: str) -> None:
    source = saved(trained, tmp_path / "given.safetensors")
    theirs = tmp_path / ("a_6steps" if form == "peft" else "a_6steps_merged")
    theirs.mkdir()
    (theirs / "song.wav").write_bytes(b"theirs")
    before = snapshot(tmp_path)

    with pytest.raises(SettingError, match="acetune did not write it"):
        export(source, to=(form,), home=home)

    assert snapshot(tmp_path) == before


def test_a_folder_or_file_of_another_trainer_is_left_alone(trained: Adapter, home: Path, tmp_path: Path) -> None:
    source = saved(trained, tmp_path / "given.safetensors")
    save_file({"a.lora_A.weight": torch.zeros(2, 2)}, tmp_path / "a_6steps.safetensors")
    before = snapshot(tmp_path)

    with pytest.raises(SettingError, match="acetune did not write it"):
        export(source, home=home)

    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("form", ["universal", "peft", "merged"])
def test_what_acetune_wrote_is_replaced(trained: Adapter, home: Path, tmp_path: Path, form: str) -> None:
    source = saved(trained, tmp_path / "given.safetensors")
    (first,) = export(source, to=(form,), home=home)
    (again,) = export(source, to=(form,), dtype="float32", home=home)

    assert first == again
    assert sorted(path.name for path in tmp_path.iterdir() if path != home) == sorted([source.name, first.name])


@pytest.mark.parametrize(("form", "name"), [("universal", "a_6steps.safetensors"), ("peft", "a_6steps")])
def test_an_export_never_takes_the_place_of_its_source(
    trained: Adapter, home: Path, tmp_path: Path, form: str, name: str
) -> None:
    (source,) = export(saved(trained, tmp_path / "first.safetensors"), to=(form,), dtype="float32", home=home)
    before = snapshot(tmp_path)

    with pytest.raises(SettingError, match="is what is being read"):
        export(AdapterFile(tmp_path / name), to=(form,), home=home)

    assert source.name == name and snapshot(tmp_path) == before


@pytest.mark.parametrize("form", ["universal", "peft"])
def test_a_failed_check_leaves_what_was_there(family: ModelFamily, trained: Adapter, tmp_path: Path, form: str) -> None:
    chosen, card = catalog.resolve("exporter", form), family_of("tiny")[0]
    target = chosen.target(tmp_path, "a")
    write_checked(chosen, trained.baked(), card, target, torch.float32)
    before = snapshot(tmp_path)
    network = family.load_network(CPU, torch.float32)
    attach.attach_trained(network, Adapter({n: 2 * value for n, value in trained.weights.items()}, FACTS))

    with pytest.raises(CorruptFile, match="output moves"):
        export_checked(chosen, trained, card, target, "float32", Bench(family, network))

    assert snapshot(tmp_path) == before


def test_a_merged_model_is_replaced_after_its_check(family: ModelFamily, trained: Adapter, tmp_path: Path) -> None:
    write_merged(family, trained, tmp_path / "m", "float32")
    before = snapshot(tmp_path)
    broken = Adapter({name: value * float("nan") for name, value in trained.weights.items()}, FACTS)

    with pytest.raises(CorruptFile):
        write_merged(family, broken, tmp_path / "m", "float32")

    assert snapshot(tmp_path) == before
