"""The second process of a team of two: does what the leader asks for by name until it is told to end."""

import sys

import torch
from torch import nn
from torch.distributed import TCPStore

from acetune.errors import DataError
from acetune.training.team import CalledOffError, Team


def add(team: Team) -> None:
    trained = [nn.Parameter(torch.zeros(3)) for _ in range(3)]
    trained[0].grad, trained[1].grad = torch.full((3,), 10.0), torch.full((3,), 20.0)
    team.add_up(torch.tensor([0.0, 5.0]), trained)


def fail(team: Team) -> None:
    with team.agreed():
        raise DataError("plan.no_crops", count=7)


def agree(team: Team) -> None:
    with team.agreed():
        pass


def tell(team: Team) -> None:
    """Say by a failure what was heard."""
    message = team.hear(stop=False)
    with team.agreed():
        raise RuntimeError(f"{dict(message.words)} {message.tensors['weight'].tolist()}")


def stop(team: Team) -> None:
    team.hear(stop=True)


def asked_by(team: Team) -> str:
    """Return what the leader wants; a step stands for being asked to stop."""
    message = team.hear(stop=False)
    return "stop" if isinstance(message, int) else str(message.words["do"])


def main(port: int) -> None:
    team = Team(1, 2)
    team.join(TCPStore("127.0.0.1", port, 2, is_master=False), torch.device("cpu"))
    while (asked := asked_by(team)) != "end":
        try:
            {"add": add, "fail": fail, "agree": agree, "tell": tell, "stop": stop}[asked](team)
        except CalledOffError:
            continue
    team.leave()


if __name__ == "__main__":
    main(int(sys.argv[1]))
