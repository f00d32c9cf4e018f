"""The second process of a team of two: does what the leader asks for by name until it is told to end."""

import sys
from types import MappingProxyType

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


def main(port: int) -> None:
    team = Team(1, 2)
    team.join(TCPStore("127.0.0.1", port, 2, is_master=False), torch.device("cpu"))
    while not isinstance(asked := team.hear(stop=False), MappingProxyType):
        if asked == 4:
            team.hear(stop=True)
        else:
            try:
                {"add": add, "fail": fail, "agree": agree}[asked](team)
            except CalledOffError:
                continue
    team.leave()


if __name__ == "__main__":
    main(int(sys.argv[1]))
