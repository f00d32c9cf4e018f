"""`acetune migrate-command`: what command lines of ACE-Step v1's scripts are in acetune."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer import Context
from typer.main import get_command

from acetune import recipe
from acetune.cli.app import build
from acetune.cli.main import KNOB_COMMANDS, command_of, main
from acetune.cli.migrating import migrated
from acetune.cli.old_flags import SCRIPTS
from acetune.cli.options import take_knobs


def parse(line: str) -> None:
    """Read a command line of ours as the console script does, without running it."""
    words = shlex.split(line)[1:]
    command = command_of(words)
    if command in KNOB_COMMANDS:
        knobs, words = take_knobs(words, command)
        recipe.resolve([("line", knobs)])
    found, context = get_command(build()), None
    while hasattr(found, "resolve_command"):
        context = Context(found, parent=context, info_name=found.name)
        _, found, words = found.resolve_command(context, words)
    found.make_context(found.name, words, parent=context)


OFFICIAL = "acetune train rows --lr 1e-4 --optim.clip 0.5 --model v1 --schedule.name linear --schedule.final 0"
WARM = "--schedule.warmup 10 --optim.beta1 0.8 --optim.beta2 0.9"
RAP = "--rank 256 --alpha 32 --adapter.rslora --adapter.targets"
LAYERS = "speaker_embedder,linear_q,linear_k,linear_v,to_q,to_k,to_v,to_out.0"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("python trainer.py --dataset_path rows", f"{OFFICIAL} {WARM} {RAP} {LAYERS}"),
        ("python convert2hf_dataset.py --data_dir ./my_songs --repeat_count 2000", "acetune scan ./my_songs"),
        (
            r"python convert2hf_dataset_new.py --data_dir C:\data\audio --output_name C:\data\names",
            r'acetune scan "C:\data\audio"',
        ),
        (
            "python preprocess_dataset_new.py --input_name names --output_dir prep --checkpoint_dir /models/v1",
            "acetune encode names --model-path /models/v1 --model v1",
        ),
        (
            "python generate_prompts_lyrics.py --data_dir 'my songs' --lyrics --overwrite",
            'acetune annotate "my songs" --with lyrics --overwrite all --with omni',
        ),
        (
            "python add_alpha_in_lora.py --input_name a/raw.safetensors --output_name out/a.safetensors "
            "--lora_config_path config/lora_config_transformer_only.json",
            "acetune adapter convert a/raw.safetensors --out out --variant v1 --to comfyui --alpha 8",
        ),
    ],
)
def test_a_command_is_said_in_our_words(theirs: str, ours: str) -> None:
    found = migrated(theirs)

    assert found.command == ours
    parse(found.command)


def test_every_flag_of_a_training_is_read(tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    config.write_text(json.dumps({"r": 16, "lora_alpha": 32, "target_modules": ["to_q"], "lora_dropout": 0.1}))

    found = migrated(
        "python trainer_new.py \\\n --dataset_path prep --learning_rate=1 --optimizer prodigy ^\n --epochs -1 "
        f"--precision bf16-mixed --ssl_coeff 0 --num_workers 4 --tagdrop 1 --lora_config_path {config}"
    )

    parse(found.command)
    for part in ("--lr 1 ", "--optim.name prodigy", "--compute.dtype bfloat16", "--steps 2000", "--tag_dropout"):
        assert part.replace("--tag_", "--data.tag_") in found.command
    assert "--rank 16 --alpha 32 --adapter.targets to_q --adapter.dropout 0.1" in found.command
    assert "--epochs" not in found.command
    assert (found.no_like, found.not_needed, found.unknown) == (("--ssl_coeff",), ("--num_workers",), ("--tagdrop",))


@pytest.mark.parametrize(
    ("told", "kept", "no_like"),
    [("--epochs 5", "--epochs 5", ()), ("--epochs 5 --max_steps 9", "--steps 9", ("--epochs",))],
)
def test_a_training_is_told_steps_or_epochs(told: str, kept: str, no_like: tuple[str, ...]) -> None:
    found = migrated(f"python trainer_new.py --dataset_path prep {told}")

    parse(found.command)
    assert kept in found.command
    assert found.no_like == no_like


@pytest.mark.parametrize(("shift", "no_like"), [("3.0", ()), ("5", ("--shift",))])
def test_a_value_that_is_built_in_is_not_missed(shift: str, no_like: tuple[str, ...]) -> None:
    found = migrated(f"python trainer.py --dataset_path rows --shift {shift}")

    assert found.no_like == no_like
    assert found.not_needed == (() if no_like else ("--shift",))


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_each_flag_of_a_script_becomes_is_understood(script: str) -> None:
    values = {
        "epochs": "3",
        "precision": "32",
        "optimizer": "adamw",
        "lyrics": "",
        "overwrite": "",
        "tag_dropout": "0.5",
        "beta1": "0.8",
        "beta2": "0.9",
    }
    flags = " ".join(f"--{name} {values.get(name, '1')}" for name in SCRIPTS[script].flags)

    parse(migrated(f"python {script} {flags}").command)


def test_what_could_not_be_said_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["migrate-command", "python trainer.py --dataset_path rows --lora_config_path gone.json --x 1"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "gone.json" in shown and "--x" in shown and "data import" in shown


def test_a_command_of_something_else_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["migrate-command", "python app.py"])

    assert code == 2
    assert "trainer_new.py" in capsys.readouterr().err
