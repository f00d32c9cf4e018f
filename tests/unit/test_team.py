"""Two processes: what they add, what they tell each other, and that none waits for one that failed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed import TCPStore

from acetune.errors import DataError
from acetune.training.messages import Message
from acetune.training.team import Team


@pytest.fixture(scope="module")
def team():
    """The leader of two processes."""
    store = TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    script = Path(__file__).with_name("other_process.py")
    other = subprocess.Popen([sys.executable, str(script), str(store.port)])
    leader = Team(0, 2)
    leader.join(store, torch.device("cpu"))
    yield leader
    ask(leader, "end")
    leader.leave()
    assert other.wait(20) == 0


def ask(team, deed):
    """Let the other process do something."""
    team.give(Message({"do": deed}))


def parameters(*gradients):
    """Return parameters with these gradients."""
    made = [nn.Parameter(torch.zeros(3)) for _ in gradients]
    for parameter, gradient in zip(made, gradients, strict=True):
        parameter.grad = None if gradient is None else torch.full((3,), gradient)
    return made


def test_losses_and_gradients_become_their_sums_and_none_where_nobody_has_one(team):
    losses, trained = torch.tensor([1.0, 0.0]), parameters(1.0, None, None)
    ask(team, "add")
    team.add_up(losses, trained)

    assert losses.tolist() == [1.0, 5.0]
    assert trained[0].grad.tolist() == [11.0] * 3
    assert trained[1].grad.tolist() == [20.0] * 3
    assert trained[2].grad is None


def test_a_failure_of_another_process_is_raised_where_people_read_it(team):
    ask(team, "fail")
    with pytest.raises(DataError) as failure, team.agreed():
        pass

    assert failure.value.code == "plan.no_crops"
    assert failure.value.params == {"count": 7}


def test_after_a_failure_of_the_leader_the_other_listens_again(team):
    ask(team, "agree")
    with pytest.raises(DataError), team.agreed():
        raise DataError("plan.no_crops", count=0)
    losses = torch.tensor([1.0, 0.0])
    ask(team, "add")
    team.add_up(losses, parameters(1.0, None, None))

    assert losses.tolist() == [1.0, 5.0]


def test_one_that_waits_for_all_to_agree_hears_that_the_leader_goes_on_elsewhere(team):
    ask(team, "agree")
    ask(team, "fail")
    with pytest.raises(DataError), team.agreed():
        pass


def test_a_request_to_stop_any_process_reaches_the_leader(team):
    team.announce(4)
    before = team.asked
    team.announce(5)

    assert (before, team.asked) == (False, True)


def test_words_and_tensors_arrive_and_what_torch_says_comes_back(team):
    ask(team, "tell")
    team.give(Message({"name": "Rübe"}, {"weight": torch.tensor([1.5])}))
    with pytest.raises(RuntimeError, match=r"^\{'name': 'Rübe'\} \[1\.5\]$"), team.agreed():
        pass
