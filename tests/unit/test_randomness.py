import itertools

import pytest
import torch

from acetune.flow import randomness

PLACES = [
    (42, "crop"),
    (43, "crop"),
    (42, "noise"),
    (42, "crop", 0),
    (42, "crop", 1),
    (42, "crop", 0, 1),
    (42, "crop", 1, 0),
]
PAIRS = list(itertools.combinations(PLACES, 2))


def test_the_same_place_gives_the_same_numbers():
    assert torch.equal(randomness.normal((4, 3), 42, "noise", 7, 1), randomness.normal((4, 3), 42, "noise", 7, 1))


def test_numbers_do_not_depend_on_what_was_drawn_before():
    expected = randomness.normal((8,), 42, "noise", 7)
    torch.manual_seed(1)
    torch.randn(100)

    assert torch.equal(randomness.normal((8,), 42, "noise", 7), expected)


def test_drawing_leaves_the_generator_of_torch_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    randomness.normal((8,), 42, "noise", 7)
    randomness.permutation(8, 42, "order", 7)

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_another_seed_purpose_or_place_gives_other_numbers(one, other):
    assert randomness.key(*one) != randomness.key(*other)
    assert not torch.equal(randomness.normal((8,), *one), randomness.normal((8,), *other))


def test_keys_never_change_between_versions():
    assert randomness.key(42, "crop", 3, 1) == 4421498180877646533


def test_keys_are_seeds_of_torch():
    assert all(0 <= randomness.key(seed, "x") < 2**63 for seed in range(1000))


def test_noise_is_standard_normal_in_float32():
    noise = randomness.normal((100, 100), 42, "noise")

    assert (noise.dtype, noise.device.type) == (torch.float32, "cpu")
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.std()) - 1) < 0.03


def test_units_are_spread_evenly_below_one():
    units = torch.tensor([randomness.unit(42, "crop", step) for step in range(4000)])

    assert units.min() >= 0
    assert units.max() < 1
    assert torch.histc(units, 10, 0, 1).min() > 320


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_a_permutation_has_every_number_once(count):
    assert sorted(randomness.permutation(count, 42, "order", 3)) == list(range(count))


def test_every_epoch_has_its_own_order():
    orders = {tuple(randomness.permutation(20, 42, "order", epoch)) for epoch in range(10)}

    assert len(orders) == 10
