"""Exported adapters: read back by us, by PEFT's rules and by diffusers' own pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AceStepPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import acetune
from acetune.adapters import attach
from acetune.adapters.adapter import load, scale
from acetune.errors import CorruptFile, SettingError, WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.families.family import Prompt
from acetune.flow import randomness
from acetune.formats.destination import Destination
from acetune.generation.sample import sample
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
PROMPT = Prompt("style 3, synth", "[verse]\nla la", "en", 120, "C major", "4", 4.0)


@pytest.fixture(scope="module")
def trained(album: Path, models: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with alpha twice the rank, on tiny."""
    from world import QUICK, make_home

    home = make_home(tmp_path_factory.mktemp("export") / "home", models, cache)
    settings = {**QUICK, "data.dataset": str(album), "optim.lr": 5e-3, "guard.validate_every": 0}
    return acetune.train(resolve([("test", settings)]).recipe, name="run", home=home).folder


def test_the_run_leaves_one_file_and_one_folder(trained: Path) -> None:
    names = {path.name for path in (trained / "adapter").iterdir()}

    assert {"run_final.safetensors", "run_final", "run_6steps.safetensors"} <= names
    assert json.loads((trained / "adapter/run_final/adapter_config.json").read_text())["lora_alpha"] == 4


def test_the_universal_file_has_official_names_only(trained: Path) -> None:
    with safe_open(trained / "adapter/run_final.safetensors", "pt") as source:
        names, header = list(source.keys()), source.metadata()

    assert len(names) == 2 * 4 * 8
    assert all(name.startswith("base_model.model.layers.") for name in names)
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in names)
    assert {name.split(".")[5] for name in names} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert json.loads(header["lora_adapter_metadata"])["transformer.lora_alpha"] == 4
    assert header["format"] == "pt"


def test_the_scale_is_inside_the_weights(trained: Path) -> None:
    # Pain 2: alpha lost on export, so that the adapter acts at half its strength or not at all.
    raw = load(trained / "checkpoints/000006/adapter.safetensors")
    exported = load_file(trained / "adapter/run_final.safetensors")

    name = "layers.0.self_attn.to_q"
    wanted = scale(raw.facts) * raw.weights[f"{name}.lora_B.weight"] @ raw.weights[f"{name}.lora_A.weight"]
    b, a = (exported[f"base_model.model.layers.0.self_attn.q_proj.lora_{x}.weight"].float() for x in "BA")

    assert scale(raw.facts) == 2.0
    assert (b @ a - wanted).abs().max() / wanted.abs().max() < 1e-2  # the file is bfloat16


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("form", ["universal", "peft"])
def test_writing_and_reading_gives_the_adapter_back(trained: Path, tmp_path: Path, form: str, dtype: str) -> None:
    (path,) = acetune.export(trained, to=(form,), out=tmp_path, dtype=dtype, home=trained.parents[1])

    raw = load(trained / "checkpoints/000006/adapter.safetensors").baked()
    read = read_adapter(path)
    assert read.facts == raw.facts
    for name, wanted in raw.weights.items():
        assert torch.equal(read.weights[name], wanted.to(getattr(torch, dtype)))


@pytest.mark.parametrize(
    ("variant", "ranks"),
    [
        ("tiny", ""),
        pytest.param("tiny", "cross=8, layers.1.*=2", marks=pytest.mark.slow),
        pytest.param("tiny-base", "", marks=pytest.mark.slow),
        pytest.param("tiny-xl", "", marks=pytest.mark.slow),
    ],
)
def test_diffusers_generates_the_same_music_with_the_file_at_strength_one(
    variant: str, ranks: str, album: Path, home: Path, models: Path
) -> None:
    from world import QUICK

    settings = {
        **QUICK, "model.variant": variant, "data.dataset": str(album), "optim.lr": 5e-3, "guard.validate_every": 0,
        "adapter.rank_pattern": ranks, "family.timbre_cls": "off",  # diffusers has no timbre token
    }  # fmt: skip
    recipe = resolve([("test", settings)]).recipe
    result = acetune.train(recipe, name="run", home=home)
    (path,) = acetune.export(result.folder, out=home, dtype="float32", home=home)
    card, known = family_of(variant)
    family = card.open(recipe, models, Job())
    noise = randomness.normal((100, known.size.channels), 5, "generate")

    ours = _ours(family, path, noise)
    pipeline = AceStepPipeline.from_pretrained(models / variant)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(path)
    theirs = pipeline(
        prompt=PROMPT.caption, lyrics=PROMPT.lyrics, vocal_language="en", audio_duration=4.0, bpm=120,
        keyscale="C major", timesignature="4", latents=noise.unsqueeze(0), output_type="latent",
        num_inference_steps=known.sampling.steps, shift=known.sampling.shift, guidance_scale=known.sampling.guidance,
    ).audios  # fmt: skip
    pipeline.unload_lora_weights()

    assert (ours - theirs).abs().max() / theirs.abs().max() < 1e-4
    assert (_ours(family, None, noise) - theirs).abs().max() / theirs.abs().max() > 1e-3


def _ours(family, path: Path | None, noise: torch.Tensor) -> torch.Tensor:
    from acetune.families.family import Example

    conditioner = family.load_conditioner(CPU)
    example = Example(noise, conditioner.text(PROMPT), conditioner.lyrics(PROMPT))
    network = family.load_network(CPU, torch.float32)
    if path is not None:
        attach.attach_trained(network, read_adapter(path))
    return sample(family, network, example, conditioner.constants(), family.variant.sampling, lambda: None)


def test_an_unknown_format_is_refused(trained: Path) -> None:
    with pytest.raises(SettingError, match="universall") as refused:
        acetune.export(trained, to=("universall",), home=trained.parents[1])

    assert "'universal'" in str(refused.value)


def test_a_cut_adapter_file_is_one_clear_sentence(trained: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((trained / "adapter/run_final.safetensors").read_bytes()[:-100])

    with pytest.raises(CorruptFile) as refused:
        acetune.export(cut, home=trained.parents[1])

    assert "cut.safetensors" in refused.value.message() and refused.value.exit_code == 4


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, path)

    with pytest.raises(WrongAdapter):
        acetune.export(path, home=tmp_path)


def test_an_adapter_of_another_width_is_refused_with_the_right_model(trained: Path) -> None:
    # Pain 11: 2B and XL adapters mixed.
    request = acetune.Request(caption="x", variant="tiny-xl", adapter=trained / "adapter/run_final.safetensors")

    with pytest.raises(WrongAdapter) as refused:
        acetune.generate(request, home=trained.parents[1])

    assert "tiny" in refused.value.remedy()


def test_a_file_that_does_not_give_the_adapter_back_is_deleted(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    real = safetensors.torch.save_file

    def losing(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
        real(dict(list(tensors.items())[1:]), path, metadata=metadata)

    monkeypatch.setattr(safetensors.torch, "save_file", losing)
    with pytest.raises(CorruptFile, match="63 of 64"):
        acetune.export(trained, out=tmp_path, home=trained.parents[1])

    assert list(tmp_path.iterdir()) == []


def test_an_adapter_that_diffusers_would_ignore_says_so(album: Path, home: Path) -> None:
    from acetune.events import Noticed
    from world import QUICK

    seen: list[object] = []
    settings = {**QUICK, "data.dataset": str(album), "adapter.targets": "mlp.up_proj,v_proj", "guard.validate_every": 0}
    acetune.train(resolve([("test", settings)]).recipe, name="run", home=home, job=Job(seen.append))

    assert any(isinstance(event, Noticed) and event.code == "formats.not_for_diffusers" for event in seen)


def test_a_release_is_installed_where_comfyui_looks(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "ComfyUI/models").mkdir(parents=True)
    where = Destination(comfyui=tmp_path, release=True)

    (path,) = acetune.export(trained, to=("comfyui",), out=where, dtype="fp16", home=trained.parents[1])

    assert path == tmp_path / "ComfyUI/models/loras/run-tiny-r4_comfyui.safetensors"
    assert {value.dtype for name, value in load_file(path).items() if "lora_" in name} == {torch.float16}


@pytest.mark.parametrize(
    ("form", "said"), [("diffusers", "does not read diffusers"), ("kohya", "it has no folder models")]
)
def test_what_cannot_be_installed_is_refused(trained: Path, tmp_path: Path, form: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        acetune.export(trained, to=(form,), out=Destination(comfyui=tmp_path), home=trained.parents[1])

    assert list(tmp_path.iterdir()) == []
