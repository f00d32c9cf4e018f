from dataclasses import replace

import pytest

from acetune import compute
from acetune.families.acestep_v15.variants import CARD
from acetune.planning.adapters import layout
from acetune.planning.memory import Held, MicroBatch, NetworkSize, training_bytes, training_flops
from acetune.planning.needs import memory_of
from acetune.recipe import family_of, resolve
from acetune.sections import AdapterSection

ALL = {"tokens": 750, "conditions": 500, "trained": 10**7, "frozen": 3 * 10**9, "number": 2}


def size(variant):
    found: NetworkSize = family_of(variant)[1].size
    return found


def memory(*, recompute=False, network=None, **sizes):
    """Return the bytes of a step; what is not named is as usual."""
    known = ALL | sizes
    batch = MicroBatch(**{name: known[name] for name in ("tokens", "conditions", "crops", "alone") if name in known})
    held = Held(**{name: known[name] for name in ("trained", "frozen", "number", "inputs") if name in known})
    return training_bytes(network or size("turbo"), batch, held, recompute=recompute)


@pytest.mark.parametrize(("variant", "count"), [("turbo", 1_575_458_880), ("xl-turbo", 4_168_897_088)])
def test_the_network_has_the_published_number_of_weights(variant, count):
    assert size(variant).parameters == count


@pytest.mark.parametrize(
    ("variant", "targets", "rank", "count"),
    [
        ("turbo", "attention", 64, 44_040_192),
        ("turbo", "attention+mlp", 64, 81_788_928),
        ("turbo", "attention", 1, 688_128),
        ("turbo", "attention+mlp", 1, 1_277_952),
        ("xl-turbo", "attention", 1, 1_310_720),
        ("xl-turbo", "attention+mlp", 1, 2_490_368),
        ("turbo", "self", 64, 22_020_096),
        ("turbo", "cross", 64, 22_020_096),
    ],
)
def test_an_adapter_has_the_number_of_weights_that_peers_log(variant, targets, rank, count):
    assert layout(AdapterSection(rank=rank, targets=targets), CARD, size(variant)).parameters == count


@pytest.mark.parametrize(
    ("variant", "seconds", "expected"),
    [("turbo", 60, 5.01), ("turbo", 120, 10.2), ("turbo", 240, 21.7), ("xl-turbo", 60, 13.5), ("xl-turbo", 240, 59.3)],
)
def test_operations_are_those_that_were_counted(variant, seconds, expected):
    found = training_flops(size(variant), int(seconds * 12.5), 512, recompute=False)

    assert found / 1e12 == pytest.approx(expected, rel=0.03)


def test_recomputation_costs_one_more_forward_pass():
    network = size("turbo")
    once, again = (training_flops(network, 750, 512, recompute=recompute) for recompute in (False, True))

    assert again / once == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"tokens": 1500},
        {"conditions": 1000},
        {"trained": 10**9},
        {"number": 4},
        {"frozen": 4 * 10**9},
        {"inputs": 10**9},
        {"crops": 2},
        {"trained": 10**8, "alone": False},
    ],
)
def test_more_of_anything_takes_more_memory(change, recompute):
    assert memory(**change, recompute=recompute) > memory(recompute=recompute)


@pytest.mark.parametrize(("number", "window"), [(2, 10**9), (2, 128), (4, 10**9)])
def test_recomputed_blocks_keep_their_inputs_and_the_insides_of_one(number, window):
    network = replace(size("turbo"), window=window)
    deep = replace(network, layers=2 * network.layers)

    more = memory(network=deep, recompute=True, number=number) - memory(network=network, recompute=True, number=number)

    assert more == pytest.approx(1.06 * network.layers * 750 * 2048 * number, rel=1e-6)


def test_a_block_has_two_attentions_of_four_layers_and_an_mlp_of_three():
    network = replace(size("turbo"), hidden=8, intermediate=32, heads=3, kv_heads=2, head_dim=5)

    assert network.linears == (*[(8, 15), (8, 10), (8, 10), (15, 8)] * 2, (8, 32), (8, 32), (32, 8))


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(("format", "expected"), [("float32", 16), ("bfloat16", 18)])
def test_training_all_weights_takes_weight_gradient_and_moments_and_the_copy_it_computes_with(format, expected, alone):
    knobs = {"model.variant": "turbo", "adapter.kind": "full", "compute.dtype": format, "compute.recompute": True}
    made = resolve([("test", {**knobs, "data.accumulation": 1 if alone else 2})]).recipe
    few, many = (memory_of(made, size("turbo"), (frames,), compute.machine("cpu")) for frames in (0, 1500))

    assert (few - 900_000_000) / 1.06 / size("turbo").parameters == pytest.approx(expected, rel=0.02)
    assert many > few


def test_gradients_of_all_weights_cost_one_more_forward_of_the_linear_layers():
    network = size("turbo")
    adapter, whole = (training_flops(network, 750, 512, recompute=False, whole=whole) for whole in (False, True))

    assert 1.3 < whole / adapter < 1.5
