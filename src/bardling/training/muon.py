"""Muon with one chain of products for all matrices of a shape, instead of one for each matrix.

It is `torch.optim.Muon` to its settings and its state; only the step is another. A small model has
dozens of small matrices, and what torch spends on each is mostly the way there. Matrices that are
each other's shape lying down go together too, because the iteration works on the lying form.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bardling.machine.shards import part_of, whole
from bardling.machine.team import ALONE, Team


def orthogonalised(
    stack: Float[Tensor, "count rows columns"],
    *,
    coefficients: tuple[float, float, float],
    steps: int,
    eps: float,
) -> Float[Tensor, "count rows columns"]:
    """Return matrices of the same singular vectors with singular values near one, in bfloat16.

    No matrix may have more rows than columns. The Newton-Schulz iteration of Jordan (2024).
    """
    a, b, c = coefficients
    x = stack.bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon`, stepping all matrices of a shape at once."""

    found_inf: Tensor | None = None
    """1.0 where a step is to change nothing; read on the device, as torch's fused optimizers do."""
    team: Team = ALONE
    """Those who share the work of orthogonalising, which does not get less with smaller batches."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every matrix that has a gradient; `closure` makes the gradients first, if given."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            lying: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    lying[tuple(sorted(parameter.shape))].append(parameter)
            alone = self.team.size == 1  # then one shape after the other, which takes less memory
            for alike in [[one] for one in lying.values()] if alone else [list(lying.values())]:
                stacks = [self._stack(parameters, group) for parameters in alike]
                for parameters, changes in zip(alike, self._made(stacks, group), strict=True):
                    self._move(parameters, changes, group)
        return loss

    def _stack(
        self, parameters: list[Tensor], group: dict[str, Any]
    ) -> Float[Tensor, "count rows columns"]:
        """Return the directions of matrices that have one shape, or its transpose, all lying."""
        looks = self._looks(parameters, group["momentum"], nesterov=group["nesterov"])
        return torch.stack(list(_turned(map(whole, looks), _tall(parameters))))

    def _made(self, stacks: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Return stacks orthogonalised; of each, every member of the team makes a part."""
        way = partial(
            orthogonalised,
            coefficients=group["ns_coefficients"],
            steps=group["ns_steps"],
            eps=group["eps"],
        )
        if self.team.size == 1:
            return [way(stack) for stack in stacks]
        parts = [self._part(stacks, rank) for rank in range(self.team.size)]
        for stack, mine in zip(stacks, parts[self.team.rank][1], strict=True):
            rows = self.team.rows(len(stack))
            if rows:
                mine.copy_(_some(stack, rows, way))
        self.team.exchange([flat for flat, _ in parts])
        return [torch.cat(of_all) for of_all in zip(*(views for _, views in parts), strict=True)]

    def _part(self, stacks: list[Tensor], rank: int) -> tuple[Tensor, list[Tensor]]:
        """Return room for what one member makes: as it is sent, and as parts of the stacks."""
        shapes = [(len(self.team.rows(len(stack), rank)), *stack.shape[1:]) for stack in stacks]
        sizes = [math.prod(shape) for shape in shapes]
        flat = torch.empty(sum(sizes), dtype=torch.bfloat16, device=stacks[0].device)
        pieces = zip(torch.split(flat, sizes), shapes, strict=True)
        return flat, [piece.view(shape) for piece, shape in pieces]

    def _move(self, parameters: list[Tensor], made: Tensor, group: dict[str, Any]) -> None:
        """Take the step of matrices that have one shape, or its transpose."""
        changes = made.to(parameters[0].dtype)
        decay = group["lr"] * group["weight_decay"]
        if self.found_inf is None:
            torch._foreach_mul_(parameters, 1.0 - decay)
        else:
            changes *= 1.0 - self.found_inf
            torch._foreach_mul_(parameters, 1.0 - decay * (1.0 - self.found_inf))
        steps = [-group["lr"] * math.sqrt(max(1.0, p.shape[0] / p.shape[1])) for p in parameters]
        changes *= changes.new_tensor(steps)[:, None, None]
        moves = zip(_turned(changes.unbind(), _tall(parameters)), parameters, strict=True)
        torch._foreach_add_(parameters, [part_of(move, parameter) for move, parameter in moves])

    def _looks(self, parameters: list[Tensor], momentum: float, *, nesterov: bool) -> list[Tensor]:
        """Return the directions to orthogonalise, after putting the gradients into the memory."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(gradient)
        memories = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        if self.found_inf is not None:  # a memory drawn towards itself stays as it is
            bad = self.found_inf > 0
            gradients = [torch.where(bad, m, g) for m, g in zip(memories, gradients, strict=True)]
        torch._foreach_lerp_(memories, gradients, 1.0 - momentum)
        return list(torch._foreach_lerp(gradients, memories, momentum)) if nesterov else memories


def _some(stack: Tensor, mine: range, way: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what `way` makes of some matrices of a stack, on a processor to the bit as of all.

    A lone matrix gets a neighbour: torch's products round it in another way than in company.
    """
    first = min(mine.start, max(0, len(stack) - 2))
    last = max(mine.stop, first + 2)
    return way(stack[first:last])[mine.start - first : mine.stop - first]


def _tall(parameters: list[Tensor]) -> list[bool]:
    return [parameter.shape[0] > parameter.shape[1] for parameter in parameters]


def _turned(matrices: Iterable[Tensor], tall: list[bool]) -> Iterable[Tensor]:
    """Lay tall matrices down, or stand them up again."""
    return (m.T if turn else m for m, turn in zip(matrices, tall, strict=True))
