"""Which layers a choice of targets means, and which rank each gets."""

from __future__ import annotations

import pytest

from acetune.errors import SettingError
from acetune.families.acestep_v15.names import targets
from acetune.families.acestep_v15.variants import CARD
from acetune.planning.adapters import Layer, layout
from acetune.planning.memory import NetworkSize
from acetune.sections import AdapterSection

SIZE: NetworkSize = CARD.variant("turbo").size
BLOCKS = 24


def laid_out(**knobs: object):
    return layout(AdapterSection(**knobs), CARD, SIZE)


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        ("attention", 8 * BLOCKS),
        ("attention+mlp", 11 * BLOCKS),
        ("mlp", 3 * BLOCKS),
        ("self,mlp", 7 * BLOCKS),
        ("q_proj", 2 * BLOCKS),
        ("cross_attn.to_q", BLOCKS),
        ("layers.1.*", 11),
        ("layers.1*.cross_attn.q_proj", 11),
        ("re:layers\\.\\d*[02468]\\..*", 11 * BLOCKS // 2),
        ("re:layers\\.(0|1)\\.(self|cross)_attn\\.(to_q|v_proj)", 8),
        ("re:.*(q_proj|k_proj),?", 4 * BLOCKS),
        ("condition_embedder, time_embed.linear_1", 2),
    ],
)
def test_a_choice_of_targets_means_so_many_layers(choice: str, count: int) -> None:
    found = targets(choice, BLOCKS)

    assert len(found) == len(set(found)) == count


@pytest.mark.parametrize("choice", ["qq_proj", "attention, qq_proj", "layers.99.*", "re:q_proj", "", ","])
def test_what_matches_no_layer_is_refused(choice: str) -> None:
    with pytest.raises(SettingError) as refused:
        targets(choice, BLOCKS)

    assert refused.value.code == "adapter.no_target" and "attention+mlp" in refused.value.remedy()


def test_a_broken_expression_is_refused_with_its_fault() -> None:
    with pytest.raises(SettingError, match="unterminated"):
        targets("re:layers.(", BLOCKS)


def test_layers_outside_the_pattern_keep_the_rank() -> None:
    found = laid_out(rank=64, rank_pattern="cross=32, layers.0.*=16")

    assert found.layers["layers.0.cross_attn.to_q"] == Layer(2048, 2048, 16)  # the later entry holds
    assert found.layers["layers.1.cross_attn.to_k"] == Layer(2048, 1024, 32)
    assert found.layers["layers.1.self_attn.to_q"].rank == 64
    assert len(found.ranks) == 4 * BLOCKS + 4


def test_ranks_of_layers_are_counted() -> None:
    half = laid_out(rank=64, rank_pattern="cross=32").parameters

    assert half == 44_040_192 * 3 // 4


def test_an_entry_that_gives_the_same_rank_is_no_exception() -> None:
    assert laid_out(rank=64, rank_pattern="cross=64").ranks == {}


@pytest.mark.parametrize("entry", ["cross", "cross=", "=8", "cross=0", "cross=2000", "cross=8.5"])
def test_an_entry_without_words_or_rank_is_refused(entry: str) -> None:
    with pytest.raises(SettingError) as refused:
        laid_out(rank_pattern=f"self=8, {entry}")

    assert refused.value.code == "adapter.bad_rank" and repr(entry) in str(refused.value)


def test_a_rank_for_layers_that_are_not_tuned_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        laid_out(targets="self", rank_pattern="mlp=8")

    assert refused.value.code == "adapter.no_rank_target"
