"""All weights of a network, held by several processes together: each keeps some rows of every weight (FSDP).

Blocks put their weights together while they compute, and give them away again. What is updated, and what an optimizer
remembers, are plain tensors: the rows that are ours. Whatever takes the whole network or a pass through it is done by
all processes, at the leader's word (`acetune.training.together`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from acetune.adapters import whole
from acetune.adapters.adapter import Facts
from acetune.families.family import ModelFamily
from acetune.planning.steps import Piece, Step, pieces
from acetune.recipe import Recipe
from acetune.training import trainable
from acetune.training.checkpoint import Rows, all_rows
from acetune.training.flat import Anchored
from acetune.training.team import Team

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

    from acetune.training.session import Session

#: Tensors by name.
Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Shards:
    """What is ours of a network whose weights several processes hold together.

    Attributes:
        parameters: Our rows of every weight, by name; no row of a weight with fewer rows than processes.
    """

    parameters: dict[str, nn.Parameter]
    _whole: Mapping[str, DTensor]
    _before: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, network: nn.Module, device: torch.device) -> Shards:
        """Let every process keep its share of a network that is whole, on any device, in each of them."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        network.register_forward_hook(_copied)  # before the hooks of FSDP, which warn of views
        for module in [*blocks(network).values(), network]:
            sharded: Any = fully_shard(module, mesh=mesh, reshard_after_forward=True)
            sharded.set_gradient_divide_factor(1.0)  # losses are divided by the crops of the whole step already
            sharded.set_force_sum_reduction_for_comms(True)
        found: dict[str, Any] = dict(network.named_parameters())
        return cls({name: Anchored(tensor.to_local().detach()) for name, tensor in found.items()}, found)

    def collect(self) -> Tensor:
        """Move gradients to our rows; return the sum of their squares, ()."""
        for name, parameter in self.parameters.items():
            found: Any = self._whole[name].grad
            parameter.grad, self._whole[name].grad = None if found is None else found.to_local(), None
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients).square()

    def rows(self, name: str, tensor: Tensor) -> Tensor:
        """Return our rows of a tensor that belongs to a weight; a number is everybody's."""
        if not tensor.ndim:
            return tensor
        from torch import distributed

        each = -(-tensor.shape[0] // distributed.get_world_size())
        first = min(distributed.get_rank() * each, tensor.shape[0])
        return tensor[first : first + len(self.parameters[name])]

    def gathered(self, tensors: Tensors, *, keep: bool) -> Tensors:
        """Return whole tensors on the CPU from everybody's rows, one after the other.

        Args:
            tensors: By the name of their weight, and after ``|`` that of a slot where an optimizer has them.
            keep: Whether they are wanted in this process.
        """
        from torch.distributed.tensor import DTensor

        found = {}
        for key, tensor in tensors.items():
            name = key.rpartition("|")[0] or key
            if tensor.ndim and name in self._whole:
                like = self._whole[name]
                placed = DTensor.from_local(
                    tensor, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
                )
                tensor = placed.full_tensor()
            if keep:
                found[key] = tensor.detach().cpu()
        return found

    def become(self, weights: Tensors) -> None:
        """Let the network have other weights until `come_back`."""
        self._before.update({name: parameter.detach().cpu().clone() for name, parameter in self.parameters.items()})
        whole.set_weights(self.parameters, {name: self.rows(name, weights[name]) for name in self.parameters})

    def come_back(self) -> None:
        """Let the network have the weights that it had."""
        whole.set_weights(self.parameters, self._before)
        self._before.clear()


def held(
    recipe: Recipe, family: ModelFamily, facts: Facts, device: torch.device, dtype: torch.dtype, team: Team
) -> tuple[nn.Module, dict[str, nn.Parameter], Shards | None]:
    """Return what `trainable` does, and what is ours where a team holds the weights together."""
    shared = recipe.compute.shard and team.joined
    place = torch.device("cpu") if shared else device  # a whole network would be too large there
    network, parameters = trainable.trainable(recipe, family, facts, place, dtype)
    if recipe.compute.recompute:
        network.enable_gradient_checkpointing()  # type: ignore[operator]
    if not shared:
        return network, parameters, None
    shards = Shards.of(network, device)
    return network, shards.parameters, shards


def is_whole(session: Session) -> bool:
    """Whether weights can be saved: not in the midst of a step whose other shares are elsewhere."""
    return session.shards is None or not session.team.busy


def rows(session: Session) -> Rows:
    """Return what gives the part of a tensor that this process holds."""
    return session.shards.rows if session.shards else all_rows


def passes(step: Step, rank: int, size: int) -> tuple[Piece, ...]:
    """Return what a process takes of a step, and after that one crop as often as others take more.

    All have to go through the network equally often. What comes after our own pieces counts for nothing.
    """
    mine = pieces(step, rank, size)
    most = max(len(pieces(step, other, size)) for other in range(size))
    return mine + (Piece(0, step[0][:1]),) * (most - len(mine))


def _copied(network: nn.Module, arguments: object, output: object) -> object:
    """Return what a network says in memory of its own."""
    return output.clone() if isinstance(output, Tensor) else output


def blocks(network: nn.Module) -> dict[str, nn.Module]:
    """Return the blocks by name: what the network's longest list of modules holds, else its own children."""
    lists = {name: module for name, module in network.named_modules() if isinstance(module, nn.ModuleList)}
    if not lists:
        return dict(network.named_children())
    longest = max(lists, key=lambda name: len(lists[name]))
    return {f"{longest}.{number}": module for number, module in enumerate(lists[longest])}
