"""Letting annotators hear songs: cheap ones together in processes of their own, each with a model alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from acetune.annotation.annotator import Annotator, Guess, Setup, Song
from acetune.catalog import attribute
from acetune.data.rows import to_row, to_track, value_to_json
from acetune.errors import AcetuneError, DataError
from acetune.events import Job, Json, plain
from acetune.workers import Done, spread


@dataclass(frozen=True)
class Order:
    """One song and who shall hear it."""

    song: Song
    annotators: tuple[Annotator, ...]


@dataclass(frozen=True)
class Answer:
    """What was said about one song.

    Attributes:
        order: What was asked.
        guesses: Name of an annotator to its guesses.
        errors: Why others could say nothing.
    """

    order: Order
    guesses: Mapping[str, Mapping[str, Guess]]
    errors: tuple[AcetuneError, ...] = ()


def together(orders: Sequence[Order], setup: Setup, job: Job, stage: str) -> Iterator[Answer]:
    """Yield what pooled annotators say about each song; it is decoded once, and one that crashes costs itself alone.

    Args:
        orders: Songs, each once.
        setup: What annotators may use.
        job: Can stop it.
        stage: Name of the work.

    Raises:
        Stopped: If asked to.
    """
    items = {_order_to_item(order, setup): order for order in orders}
    silent = Job(stop_requested=job.stop_requested)
    for done in spread(listen, tuple(items), job=silent, stage=stage):
        yield _answer(items[done.item], done)


def alone(annotator: Annotator, orders: Sequence[Order], setup: Setup, job: Job, stage: str) -> Iterator[Answer]:
    """Yield what an annotator says about each song; its model is loaded before the first and freed after the last.

    Raises:
        Stopped: If asked to.
        AcetuneError: If it cannot work at all.
    """
    with annotator.opened(setup, job) as hear:
        for order in orders:
            job.check_stop(stage)
            song = Song(order.song.track, order.song.path)  # what it decodes is dropped with it
            try:
                yield Answer(order, {annotator.name: hear(song)})
            except DataError as error:
                yield Answer(order, {}, (error,))


def listen(item: str) -> Json:
    """Return what annotators say about one song; this is what a worker does.

    Args:
        item: An order as JSON.
    """
    asked = json.loads(item)
    setup = _setup_from_json(asked["setup"])
    song = Song(to_track(asked["row"], asked["path"]), Path(asked["path"]))
    guesses: dict[str, Json] = {}
    errors: list[Json] = []
    for target in asked["annotators"]:
        annotator: Annotator = attribute(target)()
        try:
            with annotator.opened(setup, Job()) as hear:
                guesses[annotator.name] = {field: _guess_to_json(guess) for field, guess in hear(song).items()}
        except DataError as error:
            errors.append([error.code, {name: plain(value) for name, value in error.params.items()}])
    return {"guesses": guesses, "errors": errors}


def _order_to_item(order: Order, setup: Setup) -> str:
    """Return an order as JSON; keys of servers stay in this process."""
    asked = {
        "path": str(order.song.path),
        "row": to_row(order.song.track),
        "annotators": [f"{type(each).__module__}:{type(each).__qualname__}" for each in order.annotators],
        "setup": _setup_to_json(replace(setup, api_key=None)),
    }
    return json.dumps(asked)


def _answer(order: Order, done: Done) -> Answer:
    """Return what a worker answered; a failure is told of the song and not of the order's text."""
    if done.error is not None:
        named = {name: order.song.track.path if name == "item" else value for name, value in done.error.params.items()}
        return Answer(order, {}, (type(done.error)(done.error.code, **named),))
    said: Any = done.result
    guesses = {
        name: {field: Guess(*guess) for field, guess in found.items()} for name, found in said["guesses"].items()
    }
    return Answer(order, guesses, tuple(DataError(code, **params) for code, params in said["errors"]))


def _guess_to_json(guess: Guess) -> Json:
    """Return a guess as a list in the order of its attributes."""
    return [value_to_json(guess.value), guess.confidence, guess.notice, guess.origin]


def _setup_to_json(setup: Setup) -> dict[str, Json]:
    """Return a setup as JSON has it."""
    model_ids: dict[str, Json] = dict(setup.model_ids)
    return {**vars(setup), "models": str(setup.models), "cache": str(setup.cache), "model_ids": model_ids}


def _setup_from_json(values: dict[str, Any]) -> Setup:
    """Return the setup of such an object."""
    paths = {"models": Path(values["models"]), "cache": Path(values["cache"])}
    return Setup(**{**values, **paths, "model_ids": MappingProxyType(values["model_ids"])})
