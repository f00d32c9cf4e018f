"""Numbers of a run in W&B and Trackio, as these programs themselves read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from probing import Recipes, collector

import acetune
from acetune.errors import MissingDependency, SettingError
from acetune.events import StepDone
from acetune.monitor.trackers import package
from acetune.recipe import Recipe, save

READ_TRACKIO = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage
(run,) = trackio.Api().runs("acetune")
print(json.dumps({"config": run.config, "history": SQLiteStorage.get_logs("acetune", run.name)}, default=str))
"""
READ_WANDB = """
import json, struct, sys
from wandb.proto.wandb_internal_pb2 import Record
data, place, config, history, begun = open(sys.argv[1], "rb").read(), 7, {}, [], b""
while place + 7 <= len(data):
    if 32768 - place % 32768 < 7:  # the log format of LevelDB: blocks, and records in parts
        place += 32768 - place % 32768
    _, size, part = struct.unpack("<IHB", data[place : place + 7])
    begun += data[place + 7 : place + 7 + size]
    place += 7 + size
    if part in (1, 4):
        record, begun = Record.FromString(begun), b""
        config.update({item.key: json.loads(item.value_json) for item in record.run.config.update})
        row = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
        history += [row] if row else []
print(json.dumps({"config": config, "history": history}))
"""


def trained(recipe: Recipe, home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Train on the command line with both services kept on this machine."""
    file = folder / "recipe.yaml"
    save(recipe, file)
    quiet = {"WANDB_MODE": "offline", "TRACKIO_DIR": str(folder / "trackio")}
    return subprocess.run(
        [sys.executable, "-m", "acetune", "--json", "--home", str(home), "train", "--config", str(file), "--name", "r"],
        env={**os.environ, **quiet}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


def read(program: str, *arguments: str, folder: Path) -> dict[str, object]:
    """Return what a program of a service reads."""
    environment = {**os.environ, "TRACKIO_DIR": str(folder / "trackio")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_services_get_every_step_and_no_path(recipe: Recipes, home: Path, tmp_path: Path) -> None:
    done = trained(recipe(guard__trackers="wandb, trackio"), home, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in map(json.loads, done.stdout.splitlines()) if line.get("kind") == "StepDone"]
    losses = {line["step"]: line["loss"] for line in lines}
    (log,) = (home / "runs" / "r").glob("wandb/offline-run-*/*.wandb")

    wandb, trackio = read(READ_WANDB, str(log), folder=tmp_path), read(READ_TRACKIO, folder=tmp_path)

    seen = [{r["step"]: r["train/loss"] for r in g["history"] if r.get("train/loss")} for g in (wandb, trackio)]
    assert seen == [pytest.approx(losses)] * 2
    assert [got["config"]["adapter"]["rank"] for got in (wandb, trackio)] == [4, 4]
    assert str(tmp_path) not in json.dumps([wandb["config"], trackio["config"]])


def test_a_service_that_does_not_exist_is_said_before_anything_is_trained(recipe: Recipes, home: Path) -> None:
    job, heard = collector()

    with pytest.raises(SettingError, match="trackio"):
        acetune.train(recipe(guard__trackers="tracki"), name="run", home=home, job=job)
    assert not any(isinstance(event, StepDone) for event in heard)


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    with pytest.raises(MissingDependency) as caught:
        package("no_such_service")

    assert "acetune[no_such_service]" in caught.value.remedy()
