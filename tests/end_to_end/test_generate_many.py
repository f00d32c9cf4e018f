"""Several pieces at once: files of prompts, several adapters, recommended strengths; and what a file says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from probing import collector

import acetune
from acetune.adapters import adapter as adapters
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import AcetuneError, OutOfMemory, Stopped
from acetune.events import Job, Noticed, PreviewReady, Progress
from acetune.flow import randomness
from acetune.generation.batch import read_requests
from acetune.generation.request import Request
from acetune.generation.worn import put_on, worn

LIKE = Request(caption="slow pads", seconds=1.0, device="cpu")
MODULES = ("layers.0.self_attn.to_q", "layers.1.cross_attn.to_v")


def trained(folder: Path, name: str, seed: int, **facts: object) -> Path:
    """Write an adapter of the tiny network with made-up weights."""
    known = Facts(
        **{
            "kind": "lora", "rank": 2, "alpha": 2.0, "modules": MODULES, "family": "acestep_v15", "variant": "tiny",
            "fingerprint": "", "name": name, **facts,
        }
    )  # fmt: skip
    width = {MODULES[0]: 64, MODULES[1]: 32}
    weights = {}
    for module in MODULES:
        for index, (part, shape) in enumerate((("lora_A", (2, 64)), ("lora_B", (width[module], 2)))):
            weights[f"{module}.{part}.weight"] = randomness.normal(shape, seed, module, index)
    path = folder / f"{name}.safetensors"
    adapters.save(Adapter(weights, known), path)
    return path


class _Network(torch.nn.Module):
    """Two layers by the names of the tiny network."""

    def __init__(self) -> None:
        super().__init__()
        for module, rows in ((MODULES[0], 64), (MODULES[1], 32)):
            parent = self
            *way, last = module.split(".")
            for name in way:
                if not hasattr(parent, name):
                    parent.add_module(name, torch.nn.Module())
                parent = getattr(parent, name)
            layer = torch.nn.Linear(64, rows, bias=False)
            layer.weight.data = randomness.normal((rows, 64), 9, module) / 8
            parent.add_module(last, layer.requires_grad_(False))


@pytest.mark.parametrize("kinds", [("lora", "lora"), ("dora", "lora")])
def test_adapters_add_what_each_adds_alone(tmp_path: Path, kinds: tuple[str, str]) -> None:
    paths = [trained(tmp_path, name, seed) for seed, name in enumerate(("one", "two"))]
    pair = [
        replace(w, adapter=_as(w.adapter, kinds[i])) for i, w in enumerate(worn(replace(LIKE, adapter=paths), Job()))
    ]
    x = randomness.normal((3, 64), 4, "test")

    def answer(chosen: list[int], strengths: tuple[float, ...]) -> torch.Tensor:
        network = _Network()
        put_on(network, [pair[i] for i in chosen])(strengths)
        return network.get_submodule(MODULES[0])(x)

    plain = _Network().get_submodule(MODULES[0])(x)
    alone = [answer([0], (0.5,)) - plain, answer([1], (2.0,)) - plain]
    assert (answer([0, 1], (0.5, 2.0)) - plain - sum(alone)).abs().max() < 1e-4
    assert alone[0].abs().max() > 0.1 and torch.equal(answer([0, 1], (0.0, 0.0)), plain)


def _as(adapter: Adapter, name: str) -> Adapter:
    """Return the adapter as another kind with the same weights."""
    facts = replace(adapter.facts, kind=name)
    lengths = {f"{m}.lora_magnitude_vector": _lengths(m) for m in MODULES} if name == "dora" else {}
    return Adapter({**adapter.weights, **lengths}, facts)


def _lengths(module: str) -> torch.Tensor:
    """Return row lengths of a layer, a little changed."""
    return 1.1 * _Network().get_submodule(module).weight.norm(dim=1)


def test_the_recommended_strength_is_used_and_said(home: Path, tmp_path: Path) -> None:
    adapter = trained(tmp_path, "style", 1, strength=0.6)
    job, events = collector()

    acetune.generate(replace(LIKE, adapter=adapter, out=tmp_path / "a.wav"), home=home, job=job)

    assert [event.strength for event in events if isinstance(event, PreviewReady)] == [0.6]
    assert [event.code for event in events if isinstance(event, Noticed)] == ["generation.recommended"]


@pytest.mark.parametrize(
    ("suffix", "strengths", "expected"),
    [("", None, 0.6), (":0.8", None, 0.8), ("", 1.0, 1.0), (":0.8", 0.5, 0.4), (":-1", None, -1.0)],
)
def test_the_nearest_word_about_strength_counts(
    tmp_path: Path, suffix: str, strengths: float | None, expected: float
) -> None:
    path = trained(tmp_path, "style", 1, strength=0.6)

    (one,) = worn(replace(LIKE, adapter=f"{path}{suffix}", strengths=(1.0,)), Job())

    assert one.at(strengths) == pytest.approx(expected)


@pytest.mark.parametrize(
    "suffix", ["flac", "mp3", *(pytest.param(name, marks=pytest.mark.slow) for name in ("wav", "ogg"))]
)
def test_the_settings_can_be_read_back(home: Path, tmp_path: Path, suffix: str) -> None:
    adapter = trained(tmp_path, "style", 1)
    asked = replace(LIKE, adapter=f"{adapter}:0.5", seeds=(3,), bpm=90, out=tmp_path, format=suffix)

    (path,) = acetune.generate(asked, home=home)

    with soundfile.SoundFile(path) as sound:
        mark = json.loads(sound.comment)
    wanted = {"generated_by": "acetune", "ai_generated": True, "task": "text2music", "steps": 8, "shift": 3.0,
              "guidance": 1.0, "seed": 3, "bpm": 90, "seconds": 1.0, "variant": "tiny"}  # fmt: skip
    assert path.suffix == f".{suffix}" and wanted.items() <= mark.items()
    assert mark["adapters"] == [{"name": "style", "step": 0, "strength": 0.5}]
    assert "slow pads" not in str(mark)


def test_words_are_in_the_mark_for_those_who_want_that(home: Path, tmp_path: Path) -> None:
    (path,) = acetune.generate(replace(LIKE, include_private=True, out=tmp_path / "a.wav"), home=home)

    with soundfile.SoundFile(path) as sound:
        assert json.loads(sound.comment)["caption"] == "slow pads"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.jsonl", '{"caption": "a", "seed": "1, 2", "bpm": 90}\n\n{"sentence": "b at 100 bpm", "name": "second"}\n'),
        ("p.yaml", "- {caption: a, seeds: [1, 2], bpm: 90}\n- {sentence: b at 100 bpm, name: second}\n"),
        ("p.csv", 'caption,seed,bpm,name,sentence\na,"1,2",90,,\n,,,second,b at 100 bpm\n'),
    ],
)
def test_rows_say_the_same_in_every_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    one, two = read_requests(tmp_path / name, LIKE)

    assert one == replace(LIKE, caption="a", seeds=(1, 2), bpm=90.0)
    assert two == replace(LIKE, caption="b", bpm=100.0, name="second")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("p.jsonl", "", "generation.no_prompts"),
        ("p.jsonl", "{broken", "generation.bad_prompts"),
        ("p.yaml", "a: [", "generation.bad_prompts"),
        ("p.yaml", "[1]", "generation.bad_prompts"),
        ("p.yaml", "5", "generation.bad_prompts"),
        ("p.yaml", "- {1: a}", "generation.unknown_column"),
        ("p.csv", "caption,bpm\nslow, dark piano,80\n", "import.row_too_long"),
        ("p.jsonl", '{"captoin": "a"}', "generation.unknown_column"),
        ("p.jsonl", '{"caption": "a", "bpm": "fast"}', "generation.bad_cell"),
        ("p.jsonl", '{"caption": "a", "name": "../b"}', "files.bad_name"),
    ],
)
def test_a_file_of_prompts_that_makes_no_sense_is_refused(tmp_path: Path, name: str, text: str, code: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(AcetuneError) as refused:
        read_requests(tmp_path / name, LIKE)

    assert refused.value.code == code


def test_a_stop_writes_the_pieces_that_are_finished(home: Path, tmp_path: Path) -> None:
    job, events = collector()
    twelve = Job(job.report, lambda: sum(isinstance(event, Progress) for event in events) >= 12)

    with pytest.raises(Stopped):
        acetune.generate(replace(LIKE, seeds=(1, 2, 3), out=tmp_path), home=home, job=twelve)

    assert [path.name for path in tmp_path.glob("*.flac")] == ["acetune-tiny-seed1.flac"]


def test_a_device_that_is_full_loses_no_finished_piece(home: Path, tmp_path: Path) -> None:
    job, events = collector()

    def full() -> bool:
        if sum(isinstance(event, Progress) for event in events) >= 12:
            raise OutOfMemory("training.memory", device="cpu")
        return False

    with pytest.raises(OutOfMemory):
        acetune.generate(replace(LIKE, seeds=(1, 2, 3), out=tmp_path), home=home, job=Job(job.report, full))

    assert [path.name for path in tmp_path.glob("*.flac")] == ["acetune-tiny-seed1.flac"]


def test_pieces_of_a_batch_are_what_each_is_alone(home: Path, tmp_path: Path) -> None:
    rows = [replace(LIKE, caption=caption, out=tmp_path, format="wav") for caption in ("a", "b")]

    both = acetune.generate(rows, home=home)

    (alone,) = acetune.generate(replace(rows[1], out=tmp_path / "alone.wav"), home=home)
    assert np.array_equal(soundfile.read(both[1])[0], soundfile.read(alone)[0])
    assert [path.name for path in both] == ["acetune-tiny-001-seed0.wav", "acetune-tiny-002-seed0.wav"]
