"""What processes tell each other: it arrives as it was, and what is no message of ours is read and never run."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from acetune.adapters.adapter import Adapter, Facts
from acetune.data.manifest import Manifest
from acetune.data.settings import DatasetSettings
from acetune.data.track import Mark, Source, Track
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet
from acetune.encoding.parts import TrackParts
from acetune.errors import CorruptFile, DataError, ResourceError
from acetune.families.family import Prompt
from acetune.recipe import resolve
from acetune.training import messages
from acetune.training.checkpoint import State
from acetune.training.messages import Message, failure_of, of_failure
from acetune.training.orders import Order
from acetune.training.outcome import Dismissal, TrainResult
from acetune.training.together import Exchange, Gather, Pass, Return, deed_of

TRACK = Track(
    path="a/Süß.wav",
    seconds=12.5,
    tags=("rock", "80s"),
    lyrics="[verse]\nla \ud83c",
    line_times=(0.5,),
    bpm=120.5,
    recaption=MappingProxyType({"simplified": "a song"}),
    provenance=MappingProxyType({"bpm": Mark(Source.SIGNAL, 0.25)}),
    extra=MappingProxyType({"mine": [1, {"deep": None}]}),
    audio_sha256="ab",
)
PROMPT = Prompt("a song", "la", None, 120.5, None, "4", 12.0)
PARTS = TrackParts(TRACK, {"caption": PROMPT}, "l1", {"caption": "t1"}, {"la\n": "y1", "": "y2"}, "c1")
STATE = State(7, None, float("-inf"), 2, "float32", "parts", [[0.1, 0.2]])
FACTS = Facts(kind="lora", rank=2, alpha=2.0, modules=("a",), family="f", variant="tiny", fingerprint="x")


def order(**changes):
    """Return an order to train."""
    songs = EncodedSet(
        Manifest(Path("songs"), (TRACK,), DatasetSettings("mine", "zzz")), (PARTS,), "k", Cache(Path("c"))
    )
    recipe = resolve([("test", {"model": {"variant": "tiny"}, "optim": {"lr": 3e-4}, "data": {"dataset": "songs"}})])
    return replace(Order("run", recipe.recipe, Path("models"), songs, None, None), **changes)


def arrived(message):
    """Return a message as another process has it."""
    return Message.read(message.pieces())


@pytest.mark.parametrize("found", [None, (STATE, Path("runs/run/checkpoints/000007"))], ids=["fresh", "resumed"])
def test_an_order_arrives_as_it_was_given(found):
    given = order(found=found)

    assert Order.read(arrived(given.message())) == given


def test_the_adapter_to_start_from_arrives_to_the_bit():
    weights = {"a.lora_A.weight": torch.tensor([[0.1, 1 / 3]]), "a.lora_B.weight": torch.tensor([[1e-7]]).bfloat16()}
    start = Order.read(arrived(order(start=Adapter(weights, FACTS)).message())).start

    assert start.facts == FACTS
    assert {name: tensor.dtype for name, tensor in start.weights.items()} == {n: t.dtype for n, t in weights.items()}
    assert all(torch.equal(start.weights[name], tensor) for name, tensor in weights.items())


def test_prior_clips_and_the_knobs_of_a_family_arrive_too():
    recipe = resolve([("test", {"model": {"variant": "tiny"}, "family": {"lyric_format": "legacy_raw"}})]).recipe
    given = order(encoded=replace(order().encoded, prior=(PARTS,)), recipe=recipe)

    assert Order.read(arrived(given.message())) == given


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("tensors", [False, True], ids=["as words", "as tensors"])
def test_a_planted_pickle_is_an_error_and_does_not_run(tmp_path, tensors):
    payload = pickle.dumps(Planted(tmp_path / "owned"))
    with pytest.raises(ResourceError) as refused:
        Message.read((b"{}", payload) if tensors else (payload, b""))

    assert refused.value.code == "training.garbled"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("words", [b"", b"[1]", b"7", b"{", b"\xff", b"[" * 100_000], ids=lambda words: repr(words[:4]))
def test_words_that_are_no_object_are_refused(words):
    with pytest.raises(ResourceError, match="does not understand"):
        Message.read((words, b""))


@pytest.mark.parametrize(
    "change",
    [{"train": 7}, {"parts": "songs"}, {"unheard": 1}, {"found": [{"step": 1}, "folder"]}, {"prior": [{"track": {}}]}],
    ids=lambda change: next(iter(change)),
)
def test_an_order_of_another_shape_is_refused(change):
    words = json.loads(order().message().pieces()[0])
    with pytest.raises(ResourceError, match="does not understand"):
        Order.read(Message({**words, **change}))


def test_what_is_larger_than_any_message_is_neither_sent_nor_awaited(monkeypatch):
    monkeypatch.setattr(messages, "LARGEST", (20, 20))
    with pytest.raises(ResourceError, match="does not understand"):
        Message({"name": "x" * 20}).pieces()
    with pytest.raises(ResourceError, match="does not understand"):
        messages.check_sizes([0, -1])


def test_a_failure_keeps_its_class_and_sentences():
    failure = CorruptFile("encoding.damaged", path=Path("x"), cause=OSError("gone"))
    told = failure_of(arrived(of_failure(failure)))

    assert (type(told), str(told)) == (CorruptFile, str(failure))


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (RuntimeError("[enforce fail] can't allocate memory"), torch.OutOfMemoryError),
        (FileNotFoundError("no file"), OSError),
        (NotImplementedError("no kernel"), RuntimeError),
    ],
)
def test_a_failure_of_torch_or_the_system_is_handled_as_at_home(failure, kind):
    told = failure_of(arrived(of_failure(failure)))

    assert (type(told), str(told)) == (kind, str(failure))


@pytest.mark.parametrize(
    "words",
    [
        {"error": "Path", "code": "plan.no_crops"},
        {"error": "annotations", "code": "plan.no_crops"},
        {"error": "DataError", "code": "no.such"},
        {"error": "DataError", "code": "plan.no_crops", "params": {}},
        {"error": "DataError", "code": "plan.no_crops", "params": {"code": 1}},
        {"error": "DataError", "code": "plan.no_crops", "params": [1]},
    ],
)
def test_a_failure_that_cannot_be_told_is_refused(words):
    with pytest.raises(ResourceError, match="does not understand"):
        failure_of(Message(words))


def test_what_a_training_came_to_arrives():
    done = Dismissal(TrainResult(Path("runs/a"), 20, "learned", Path("a.safetensors")))

    assert Dismissal.read(arrived(done.message())) == done
    assert Dismissal.read(arrived(Dismissal().message())) == Dismissal()


def test_why_a_training_ended_is_raised_in_those_that_helped():
    ended = Dismissal.read(arrived(Dismissal(error=DataError("plan.no_crops", count=3)).message()))
    with pytest.raises(DataError, match="3"):
        ended.outcome()


def test_a_dismissal_of_another_shape_is_refused():
    with pytest.raises(ResourceError, match="does not understand"):
        Dismissal.read(Message({"folder": 1}))


@pytest.mark.parametrize(
    "deed", [Pass(), Gather(True), Return(Path("runs/a")), Exchange(False)], ids=lambda deed: str(type(deed))
)
def test_what_all_do_together_arrives(deed):
    assert deed_of(arrived(deed.message())) == deed


@pytest.mark.parametrize(
    "words",
    [
        {"deed": "run"},
        {"deed": "gather"},
        {"deed": "return", "folder": 7},
        {"deed": []},
    ],
    ids=str,
)
def test_a_deed_that_nobody_knows_is_refused(words):
    with pytest.raises(ResourceError, match="does not understand"):
        deed_of(Message(words))
