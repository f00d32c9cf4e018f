"""A quantised base for real, on the processor, where bitsandbytes is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from acetune.adapters import attach
from acetune.adapters.adapter import Facts
from acetune.adapters.quantised import check_installed, quantise
from acetune.errors import MissingDependency
from acetune.events import Job
from acetune.families.family import ModelFamily
from acetune.planning.quantising import frozen_bytes
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
FORMS = ["int8", "nf4"]
#: Relative error of an untrained network's velocity: what 8 and 4 bits cost, with some room.
ERRORS = {"int8": 0.03, "nf4": 0.25}


@pytest.fixture(scope="module")
def family(models: Path) -> ModelFamily:
    return family_of("tiny")[0].open(resolve([("test", {"model.variant": "tiny"})]).recipe, models, Job())


@pytest.fixture
def small(family: ModelFamily, request: pytest.FixtureRequest) -> nn.Module:
    pytest.importorskip("bitsandbytes")
    return quantise(family.load_network(CPU, torch.bfloat16), request.param, CPU, torch.bfloat16)


def velocity(family: ModelFamily, network: nn.Module) -> torch.Tensor:
    batch = family.probe(64, CPU)
    return family.predict(network, batch, batch.x0, torch.tensor([0.5]), torch.tensor([False]))


def tuned(family: ModelFamily, network: nn.Module, kind: str) -> dict[str, nn.Parameter]:
    facts = Facts(
        kind=kind, rank=4, alpha=4.0, modules=family.target_modules("attention+mlp"), family="acestep_v15",
        variant="tiny", fingerprint="",
    )  # fmt: skip
    return attach.attach(network, facts)


@pytest.mark.parametrize(("small", "form"), zip(FORMS, FORMS, strict=True), indirect=["small"])
def test_a_quantised_network_says_nearly_the_same(family: ModelFamily, small: nn.Module, form: str) -> None:
    plain = velocity(family, family.load_network(CPU, torch.bfloat16))

    error = (velocity(family, small) - plain).norm() / plain.norm()
    assert 1e-4 < float(error) < ERRORS[form]


@pytest.mark.parametrize(("small", "kind"), [("int8", "lora"), ("nf4", "lora"), ("nf4", "dora")], indirect=["small"])
def test_every_weight_of_an_adapter_on_it_learns_step_by_step(family: ModelFamily, small: nn.Module, kind: str) -> None:
    parameters = tuned(family, small.train(), kind)
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-2)
    losses = []
    for _ in range(3):
        loss = velocity(family, small).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    assert losses == sorted(losses, reverse=True)
    assert [name for name, p in parameters.items() if torch.equal(p, before[name])] == []
    assert {p.dtype for p in parameters.values()} == {torch.float32}


@pytest.mark.parametrize(("small", "form"), zip(FORMS, FORMS, strict=True), indirect=["small"])
def test_the_planner_counts_the_bytes_of_a_quantised_network(family: ModelFamily, small: nn.Module, form: str) -> None:
    found = sum(p.untyped_storage().nbytes() for p in small.parameters())
    for weight in (module.weight for module in small.modules() if hasattr(module, "weight")):
        state = getattr(weight, "quant_state", None)
        found += state.absmax.nbytes + state.state2.absmax.nbytes if state else 0
        found += weight.SCB.nbytes if hasattr(weight, "SCB") else 0

    size = family.variant.size
    dequantised = 2 * size.hidden * size.intermediate
    assert frozen_bytes(size, 2, form) - dequantised == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize("form", FORMS)
def test_without_bitsandbytes_it_is_said_how_to_install_it(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)

    with pytest.raises(MissingDependency, match="bitsandbytes") as met:
        check_installed(form)
    assert "acetune[8bit]" in met.value.remedy()
    check_installed("none")
