"""What every swappable part promises, held against the catalogue and against the parts that docs/extending.md adds."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from acetune import catalog
from acetune.adapters.adapter import Adapter, Facts
from acetune.annotation.annotator import ANALYSIS_RATE_HZ, Setup, Song
from acetune.audio import files
from acetune.data.track import DESCRIPTION, Source, Track
from acetune.errors import MissingDependency, UserError
from acetune.events import Job, StageEnded, StepDone
from acetune.formats.format import write_checked
from acetune.recipe import family_of, resolve
from acetune.run import Run
from acetune.sections import OptimSection
from acetune.training.updater import numbers_of, put_back, tensors_of

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@dataclass(frozen=True)
class Part:
    """A part, by a name for the test's own name."""

    name: str
    value: object


def documented(kind):
    """Yield the parts that the guide adds to a kind: what its catalogue line names, from the file above it."""
    for file, line in zip(BLOCKS[::2], BLOCKS[1::2], strict=True):
        if line.startswith(kind.upper() + "S = "):
            name, module, attribute = re.search(r'"(\w+)": "([\w.]+):(\w+)"', line).groups()
            assert file.startswith(f"# src/{module.replace('.', '/')}.py\n")
            space = {"__name__": __name__}
            exec(file, space)
            yield Part(f"{name} of the guide", space[attribute])


def every(kind):
    known = [Part(name, catalog.resolve(kind, name)) for name in catalog.names(kind)]
    return pytest.mark.parametrize("part", [*known, *documented(kind)], ids=lambda part: part.name)


def tone(hertz, seconds=3.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * ANALYSIS_RATE_HZ)) / ANALYSIS_RATE_HZ).astype(np.float32)


@pytest.mark.parametrize("kind", ["schedule", "optimizer", "annotator", "exporter", "tracker"])
def test_the_guide_adds_one_part_of_each_kind(kind):
    assert len(list(documented(kind))) == 1


@every("schedule")
@pytest.mark.parametrize(("total", "warmup"), [(1000, 100), (60, 6), (3, 0), (1, 0), (10, 10)])
def test_a_schedule_stays_between_nothing_and_the_peak(part, total, warmup):
    shares = [part.value(step, total, warmup, 0.01) for step in range(total)]

    assert all(0 < share <= 1 for share in shares)
    assert max(shares) == 1


@every("schedule")
def test_a_schedule_warms_up_on_a_straight_line(part):
    shares = [part.value(step, 100, 10, 0.01) for step in range(10)]

    assert shares == pytest.approx([(step + 1) / 10 for step in range(10)])


@every("schedule")
def test_a_schedule_rises_after_its_warm_up_only_to_restart_at_the_peak(part):
    shares = [part.value(step, 100, 10, 0.01) for step in range(10, 100)]
    risen = [after for before, after in itertools.pairwise(shares) if after > before]

    assert risen == [1.0] * len(risen)
    assert len(risen) == (3 if part.name == "cosine-restarts" else 0)
    assert shares[-1] in (1, pytest.approx(0.01))


#: A matrix: some optimizers treat vectors as others do.
START = torch.tensor([[3.0, -2.0], [0.0, 0.5]])


def descent(part, steps, *, bad=0.0):
    """Return a parameter and its optimizer after some steps towards zero."""
    weight = torch.nn.Parameter(START.clone())
    try:
        rate = 1.0 if part.name.startswith("prodigy") else 0.1  # of Prodigy it is a factor
        optimizer = part.value([weight], OptimSection(lr=rate, weight_decay=0.0))
    except MissingDependency as missing:
        pytest.skip(missing.message())
    for _ in range(steps):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.found_inf = torch.tensor(bad)
        optimizer.step()
    return weight, optimizer


@every("optimizer")
def test_an_optimizer_goes_downhill(part):
    weight, _ = descent(part, 120)

    assert weight.square().sum() < 10


@every("optimizer")
def test_an_optimizer_leaves_weights_alone_when_a_loss_was_no_number(part):
    weight, _ = descent(part, 3, bad=1.0)

    assert torch.equal(weight, START)


@every("optimizer")
def test_the_saved_state_of_an_optimizer_gives_it_back_to_the_bit(part):
    weight, optimizer = descent(part, 3)
    tensors = {name: tensor.clone() for name, tensor in tensors_of(optimizer, {"w": weight}).items()}
    numbers = json.loads(json.dumps(numbers_of(optimizer, {"w": weight})))
    other, fresh = descent(part, 0)
    other.data.copy_(weight.data)
    put_back(fresh, {"w": other}, tensors, numbers)
    for parameter, used in ((weight, optimizer), (other, fresh)):
        for _ in range(3):
            used.zero_grad()
            parameter.square().sum().backward()
            used.found_inf = torch.tensor(0.0)
            used.step()

    assert any(name.startswith("w|") for name in tensors)
    assert torch.equal(weight, other)


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """Return what a part says about a sound; None where it needs what is not here."""
    folder = tmp_path_factory.mktemp("sounds")
    setup = Setup(folder / "models", folder / "annotation", device="cpu", offline=True)

    def listen(part, audio):
        annotator = part.value()
        if annotator.missing(setup):
            return None
        path = folder / "song.wav"
        files.write(path, audio[:, None], ANALYSIS_RATE_HZ)
        with annotator.opened(setup, Job()) as opened:
            return opened(Song(Track(path=path.name, seconds=len(audio) / ANALYSIS_RATE_HZ), path))

    return listen


@every("annotator")
def test_an_annotator_says_who_it_is_and_what_it_fills(part):
    annotator = part.value()

    assert annotator.name in part.name
    assert isinstance(annotator.source, Source)
    assert annotator.source < Source.USER
    assert annotator.fields
    assert set(annotator.fields) <= set(DESCRIPTION)
    assert isinstance(annotator.pooled, bool)


@every("annotator")
def test_an_annotator_that_cannot_work_here_says_what_to_do(part, tmp_path):
    missing = part.value().missing(Setup(tmp_path, tmp_path, offline=True))

    assert missing is None or (isinstance(missing, UserError) and missing.message("zh") and missing.remedy("zh"))


@every("annotator")
@pytest.mark.parametrize(
    "audio", [tone(0), tone(440), tone(60), tone(440, 0.01)], ids=["silence", "a", "bass", "short"]
)
def test_an_annotator_fills_its_own_fields_and_knows_how_sure_it_is(part, audio, heard):
    guesses = heard(part, audio) or {}

    assert set(guesses) <= set(part.value().fields)
    assert all(guess.value is not None for guess in guesses.values())
    assert all(guess.confidence is None or 0 <= guess.confidence <= 1 for guess in guesses.values())


@every("annotator")
def test_an_annotator_hears_nothing_in_silence(part, heard):
    assert not heard(part, tone(0))


@pytest.fixture
def adapter():
    """An adapter of rank 2 and scale 2 on one module of the tiny network."""
    card, variant = family_of("tiny")
    module = "layers.0.self_attn.to_q"
    weights = {
        f"{module}.lora_A.weight": torch.arange(128.0).reshape(2, 64) / 128,
        f"{module}.lora_B.weight": torch.arange(128.0).reshape(64, 2) / 128,
    }
    facts = Facts(
        kind="lora", rank=2, alpha=4.0, modules=(module,), family=card.name, variant=variant.name,
        fingerprint="0" * 32, objective={}, trigger="曲", name="album", step=7,
    )  # fmt: skip
    return Adapter(MappingProxyType(weights), facts)


@every("exporter")
def test_a_format_says_what_it_is_and_names_its_target(part, tmp_path):
    target = part.value.target(tmp_path, "album_final")

    assert part.value.name in part.name
    assert part.value.summary
    assert target.parent == tmp_path
    assert target.name.startswith("album_final")


@every("exporter")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_format_reads_what_it_wrote_with_the_scale_inside(part, tmp_path, adapter, dtype):
    card, _ = family_of("tiny")
    read = write_checked(part.value, adapter, card, part.value.target(tmp_path, "album"), dtype)

    assert read.facts.alpha == read.facts.rank == 2
    assert (read.facts.trigger, read.facts.step, read.facts.trained_alpha) == ("曲", 7, 4.0)
    assert {name: tensor.float().max() for name, tensor in read.weights.items()} == {
        name: (tensor * (2 if "lora_B" in name else 1)).to(dtype).float().max()
        for name, tensor in adapter.weights.items()
    }


@every("exporter")
def test_a_format_replaces_what_it_wrote_before(part, tmp_path, adapter):
    card, _ = family_of("tiny")
    target = part.value.target(tmp_path, "album")
    for _ in range(2):
        write_checked(part.value, adapter, card, target, torch.float32)

    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "part", [Part("tensorboard", catalog.resolve("tracker", "tensorboard")), *documented("tracker")]
)
def test_a_tracker_leaves_something_of_what_it_heard(part, tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    with part.value().opened(run, resolve([]).recipe) as listen:
        listen(StepDone(step=1, loss=0.5, lr=1e-4, grad_norm=1.0, seconds=0.1))
        listen(StageEnded(stage="train"))

    assert any(file.stat().st_size for file in run.folder.rglob("*") if file.is_file())
