"""What `acetune selftest` says of whole and of damaged models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import acetune
from acetune.cli.main import main
from acetune.errors import SettingError
from acetune.events import Job
from acetune.families.acestep_v15.layouts import open_weights
from acetune.recipe import family_of
from acetune.trial import reference

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def damaged(models: Path, tmp_path: Path) -> Path:
    """A copy of tiny that a test may damage."""
    open_weights(family_of("tiny")[1], None, models, Job())
    return Path(shutil.copytree(models / "tiny", tmp_path / "tiny"))


def spoil(file: Path, value: float) -> None:
    """Set a weight of a file."""
    tensors = load_file(file)
    next(iter(tensors.values())).view(-1)[0] = value
    save_file(tensors, file)


def states(result: object) -> dict[str, str]:
    return {finding.name: finding.state for finding in result.findings}


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["tiny", "tiny-base"])
def test_every_check_passes_on_embedded_models(variant: str, home: Path) -> None:
    result = acetune.selftest(variant, device="cpu", home=home)

    assert set(states(result).values()) == {"passed"}


@pytest.mark.slow
def test_the_result_file_has_numbers_and_versions_but_no_folder(home: Path) -> None:
    result = acetune.selftest("tiny", device="cpu", home=home)
    text = result.file.read_text()
    found = json.loads(text)
    numbers = {check["name"]: check["numbers"] for check in found["checks"]}

    assert len(numbers["learning"]["base_by_t"]) == 8
    assert numbers["resume"]["apart"] == 0
    assert numbers["maths"]["velocity"] < 1e-5
    assert {"torch", "peft", "acetune"} <= found["libraries"].keys()
    assert str(home) not in text and str(Path.home()) not in text


def test_a_network_with_a_value_that_is_no_number_fails_and_the_rest_is_skipped(damaged: Path, home: Path) -> None:
    spoil(damaged / "transformer" / WEIGHTS, float("nan"))

    result = acetune.selftest("tiny", model_path=damaged, device="cpu", home=home)

    assert states(result) == {"weights": "failed", **dict.fromkeys(list(states(result))[1:], "skipped")}
    assert result.findings[0].why == "not_finite"


def test_a_cut_file_fails_with_the_code_of_its_error(damaged: Path, home: Path) -> None:
    file = damaged / "transformer" / WEIGHTS
    file.write_bytes(file.read_bytes()[:-100])

    result = acetune.selftest("tiny", model_path=damaged, device="cpu", home=home)

    assert result.failed == 1
    assert json.loads(result.file.read_text())["checks"][0]["why"] == result.findings[0].why
    assert result.findings[0].why.startswith("weights.")


@pytest.mark.slow
def test_a_broken_autoencoder_fails_where_it_is_used(damaged: Path, home: Path) -> None:
    spoil(damaged / "vae" / WEIGHTS, float("inf"))

    found = states(acetune.selftest("tiny", model_path=damaged, device="cpu", home=home))

    assert found == {
        "weights": "passed", "codec": "failed", "maths": "passed", "learning": "skipped", "resume": "skipped",
        "export": "skipped",
    }  # fmt: skip


def test_the_command_ends_with_one_and_names_the_file(
    damaged: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(damaged / "transformer" / WEIGHTS, float("nan"))

    code = main(["selftest", "--model-path", str(damaged), "--device", "cpu", "--home", str(home)])

    said = capsys.readouterr()
    assert code == 1
    assert "FAILED" in said.out and "tiny-cpu.json" in said.out
    assert "1 of 6 checks failed" in said.err


def test_an_unknown_model_is_refused_before_anything_is_done(home: Path) -> None:
    with pytest.raises(SettingError, match="tinny"):
        acetune.selftest("tinny", home=home)

    assert not (home / "selftest").exists()


def test_differences_are_relative_to_the_largest_value() -> None:
    assert reference.apart(torch.tensor([1.0, -9.0]), torch.tensor([1.0, -10.0])) == pytest.approx(0.1)
    assert reference.apart(torch.tensor([0.0]), torch.tensor([0.0])) == 0


def test_a_network_that_memory_cannot_hold_has_no_reference() -> None:
    assert reference.digits(10**6) == torch.float64
    assert reference.digits(10**15) is None
