"""What a step costs, in counts that do not depend on the machine: waits, operations, kept bytes, graph breaks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from probing import Recipes
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from acetune.adapters import attach
from acetune.adapters.adapter import Facts
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet, encode_set, load_dataset
from acetune.events import Job
from acetune.families.acestep_v15 import names, tiny
from acetune.families.acestep_v15.network import AceStepTransformer1DModel, local_attention
from acetune.families.acestep_v15.variants import CARD
from acetune.recipe import family_of
from acetune.training.session import Session

WINDOW, CONDITIONS, RANK = 128, 32, 16
WIDE = CARD.variant("turbo").size


class NoWaiting(TorchDispatchMode):
    """Fails where the host reads a number of a tensor: on a card it would wait there for the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, unless it is such a reading."""
        assert func is not torch.ops.aten._local_scalar_dense.default, "a number of a tensor was read"
        return func(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Counts operations that compute or copy something; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def peak() -> Iterator[Any]:
    """The benchmark that knows what a card's kernels keep."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    import peak

    yield peak
    sys.path.pop(0)


def session_of(recipe: Recipes, home: Path, **knobs: Any) -> tuple[Session, EncodedSet]:
    """Return a training of the album, and the album encoded."""
    chosen = recipe(**knobs)
    family = family_of(chosen.model.variant)[0].open(chosen, home / "models", Job())
    encoded, _ = encode_set(load_dataset(chosen), chosen, family, Cache(home / "cache"), Job())
    return Session.build(chosen, family, encoded, "run"), encoded


def network(layers: int, device: str) -> nn.Module:
    """Return a frozen 16-bit network of the published width with an adapter on its attention, not initialised."""
    size = replace(WIDE if device == "meta" else CARD.variant("tiny").size, layers=layers)
    with torch.device("meta"):
        configs = tiny.configs(replace(CARD.variant("tiny"), size=size))
        made = AceStepTransformer1DModel(**configs["transformer"]).bfloat16().requires_grad_(False)
    made.to_empty(device=device)
    modules = names.targets("attention", layers)
    facts = Facts(kind="lora", rank=RANK, alpha=1.0, modules=modules, family="", variant="", fingerprint="")
    attach.attach(made, facts)
    return made


def forward(made: Any, tokens: int, device: str) -> Tensor:
    """Return what the network says of nothing in particular."""
    channels, width = made.config.audio_acoustic_hidden_dim, made.config.encoder_hidden_size
    music, context, told = (
        torch.zeros(1, *shape, dtype=torch.bfloat16, device=device)
        for shape in ((2 * tokens, channels), (2 * tokens, 2 * channels), (CONDITIONS, width))
    )
    t = torch.full((1,), 0.5, dtype=torch.bfloat16, device=device)
    out: Tensor = made(music, t, t, told, context)
    return out


def kept_bytes(made: nn.Module, tokens: int) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, each storage once, weights not counted."""
    weights = {parameter.untyped_storage()._cdata for parameter in made.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = forward(made, tokens, "meta")
    assert out.requires_grad
    return sum(storage.nbytes() for key, storage in kept.items() if key not in weights)


def a_layer(count: Callable[[nn.Module], int], device: str) -> float:
    """Return by how much a count grows with each layer; layers take turns in their attention, so two are added."""
    many, few = (count(network(layers, device)) for layers in (4, 2))
    return (many - few) / 2


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_step_reads_no_number_from_the_device(recipe: Recipes, home: Path, clip: float) -> None:
    knobs = {"model__variant": "tiny-base", "data__accumulation": 2}  # whose t are no choice among eight numbers
    session, _ = session_of(recipe, home, optim__clip=clip, **knobs)
    session.update(0)

    with NoWaiting():
        session.update(1)


def test_reading_a_number_is_noticed() -> None:
    with NoWaiting(), pytest.raises(AssertionError, match="was read"):
        torch.ones(()).item()


def test_a_layer_takes_no_more_operations_than_it_did() -> None:
    def operations(made: nn.Module) -> int:
        with Operations() as seen:
            forward(made, 300, "cpu").sum().backward()
        return seen.count

    assert a_layer(operations, "cpu") <= 441


def test_a_layer_keeps_no_more_bytes_of_a_token_than_it_did(peak: Any) -> None:
    def by_token(made: nn.Module) -> int:
        return (kept_bytes(made, 1024) - kept_bytes(made, 512)) // 512

    with peak.kernels():
        assert a_layer(by_token, "meta") / 1024 <= 171


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")  # of masks, which never change
@pytest.mark.parametrize("layer", [0, 1])
def test_a_block_is_one_graph(layer: int) -> None:
    made: Any = network(2, "cpu")
    seen: list[tuple[Any, ...]] = []
    block = made.layers[layer]
    block.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    with torch.no_grad():
        forward(made, 300, "cpu")
    block._forward_pre_hooks.clear()

    found = torch._dynamo.explain(block)(*seen[0])

    assert found.graph_break_count == 0, found.break_reasons


@pytest.mark.parametrize("length", [129, 256, 300, 513])
def test_local_attention_equals_a_dense_mask_with_its_gradients(length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    q, k, v, wanted = (
        torch.randn(2, heads, length, 8, generator=generator, dtype=torch.float64) for heads in (4, 2, 2, 4)
    )
    inputs = [x.requires_grad_() for x in (q, k, v)]
    places = torch.arange(length)
    mask = (places[:, None] - places[None, :]).abs() <= WINDOW
    dense = F.scaled_dot_product_attention(
        q, *(x.repeat_interleave(2, dim=1) for x in (k, v)), attn_mask=mask, scale=0.3
    )

    local = local_attention(q, k, v, WINDOW, 0.3)

    torch.testing.assert_close(local, dense, rtol=1e-10, atol=1e-10)
    for ours, theirs in zip(
        *(torch.autograd.grad((out * wanted).sum(), inputs) for out in (local, dense)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_a_second_of_a_cached_song_is_means_and_deviations_of_its_latents(recipe: Recipes, home: Path) -> None:
    session, encoded = session_of(recipe, home)
    song = encoded.parts[0]
    frames = int(song.track.seconds * session.family.frames_per_second)

    size = encoded.cache.path("latents", song.latents).stat().st_size

    assert size == pytest.approx(frames * 2 * 4 * session.family.variant.size.channels, abs=400)


def test_conditions_of_one_length_are_neither_padded_nor_masked(recipe: Recipes, home: Path) -> None:
    session, _ = session_of(recipe, home)
    item = session.examples.step(0)[0][0]
    example = session.examples.example(item, 0, 0)

    batch = session.family.collate([example, example], session.examples.constants, session.device)

    assert "mask" not in batch.conditions
    told = len(example.text["tokens"]) + len(example.lyrics["tokens"]) + 1
    assert batch.conditions["tokens"].shape[1] == told
