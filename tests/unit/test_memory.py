from dataclasses import replace

import pytest

from acetune.families.acestep_v15.variants import CARD
from acetune.planning.adapters import layout
from acetune.planning.memory import NetworkSize, training_bytes, training_flops
from acetune.recipe import family_of
from acetune.sections import AdapterSection

GIB = 2**30
TOKENS_A_SECOND = 12.5


def size(variant):
    found: NetworkSize = family_of(variant)[1].size
    return found


def gib(variant, seconds, *, recompute=False):
    """Return what a rank-16 adapter on all attentions takes in 16 bit, for one crop."""
    network = size(variant)
    adapter = layout(AdapterSection(rank=16), CARD, network).parameters
    tokens = int(seconds * TOKENS_A_SECOND)
    return training_bytes(network, adapter, tokens, weight_bytes=2, recompute=recompute) / GIB


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
    ("variant", "seconds", "recompute", "expected"),
    [
        ("turbo", 60, False, 7.3),
        ("turbo", 120, False, 10.4),
        ("turbo", 240, False, 16.8),
        ("turbo", 600, False, 35.7),
        ("turbo", 60, True, 4.3),
        ("turbo", 240, True, 4.8),
        ("turbo", 600, True, 5.9),
        ("xl-turbo", 60, False, 16.0),
        ("xl-turbo", 240, False, 35.9),
        ("xl-turbo", 60, True, 9.7),
        ("xl-turbo", 240, True, 10.5),
    ],
)
def test_memory_is_that_of_the_measured_model(variant, seconds, recompute, expected):
    assert gib(variant, seconds, recompute=recompute) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("variant", "seconds", "expected"),
    [("turbo", 60, 5.01), ("turbo", 120, 10.2), ("turbo", 240, 21.7), ("xl-turbo", 60, 13.5), ("xl-turbo", 240, 59.3)],
)
def test_operations_are_those_that_were_counted(variant, seconds, expected):
    found = training_flops(size(variant), int(seconds * TOKENS_A_SECOND), 512, recompute=False)

    assert found / 1e12 == pytest.approx(expected, rel=0.03)


def test_recomputation_costs_one_more_forward_pass():
    network = size("turbo")
    once, again = (training_flops(network, 750, 512, recompute=recompute) for recompute in (False, True))

    assert again / once == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("change", [{"tokens": 1500}, {"adapter": 10**9}, {"weight_bytes": 4}])
def test_more_of_anything_takes_more_memory(change):
    usual = {"adapter": 10**7, "tokens": 750, "weight_bytes": 2}

    def memory(adapter, tokens, weight_bytes):
        return training_bytes(size("turbo"), adapter, tokens, weight_bytes=weight_bytes, recompute=False)

    assert memory(**usual | change) > memory(**usual)


def test_a_block_has_two_attentions_of_four_layers_and_an_mlp_of_three():
    network = replace(size("turbo"), hidden=8, intermediate=32, heads=3, kv_heads=2, head_dim=5)

    assert network.linears == (*[(8, 15), (8, 10), (8, 10), (15, 8)] * 2, (8, 32), (8, 32), (32, 8))


@pytest.mark.parametrize(("weight_bytes", "expected"), [(4, 16), (2, 18)])
def test_training_all_weights_takes_weight_gradient_and_moments_and_the_copy_it_computes_with(weight_bytes, expected):
    network = size("turbo")
    few, many = (
        training_bytes(network, network.parameters, tokens, weight_bytes=weight_bytes, recompute=True)
        for tokens in (0, 750)
    )

    assert (few - 900_000_000) / 1.06 / network.parameters == pytest.approx(expected, rel=1e-6)
    assert many > few


def test_gradients_of_all_weights_cost_one_more_forward_of_the_linear_layers():
    network = size("turbo")
    adapter, whole = (training_flops(network, 750, 512, recompute=False, whole=whole) for whole in (False, True))

    assert 1.3 < whole / adapter < 1.5
