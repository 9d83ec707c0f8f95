"""Dropout whose mask is a pure function of where it falls.

A mask element is a hash of (seed, step, site, global row, position, channel). So the mask does
not depend on how a batch was cut into parts or ranks, nor on what ran before, and a resumed run
drops what the uninterrupted one dropped. The caller says when to drop by passing `Noise`; with
`SILENCE`, the default, nothing is dropped, and no module has a mode to forget.

Dropout: Srivastava et al., JMLR 15 (2014), with the survivors scaled up by 1 / (1 - rate).
The hash is the 32-bit finisher "lowbias32" (C. Wellons, "Prospecting for hash functions", 2018).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn


def _mix(x: Int32[Tensor, "*shape"]) -> Int32[Tensor, "*shape"]:
    """Scramble 32-bit words; torch's >> repeats the sign, hence the masks after it."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x7FEB352D
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * (0x846CA68B - 2**32)
    return x ^ ((x >> 16) & 0xFFFF)


def keep_mask(
    row_keys: Int32[Tensor, " batch"], site: int, n_positions: int, n_channels: int, rate: float
) -> Float[Tensor, "batch positions channels"]:
    """Return 0 with probability `rate` and 1 / (1 - rate) elsewhere."""
    device = row_keys.device
    positions = torch.arange(n_positions, dtype=torch.int32, device=device)
    channels = torch.arange(n_channels, dtype=torch.int32, device=device)
    cells = _mix(_mix(row_keys + 0x3C6EF372 * (site + 1) % 2**31)[:, None] + positions)
    draws = _mix(cells[:, :, None] ^ _mix(channels ^ 0x5BD1E995))
    threshold = int(rate * 2**32) - 2**31
    return (draws >= threshold).to(torch.float32).mul_(1.0 / (1.0 - rate))


@dataclass(frozen=True)
class Silence:
    """No noise: evaluation, generation, and any use that is not a training step."""

    def drop(self, x: Float[Tensor, "*shape"], site: int, rate: float) -> Float[Tensor, "*shape"]:
        """Return `x` as it is."""
        return x


SILENCE = Silence()


@dataclass(frozen=True)
class Noise:
    """The noise of one training step, for the rows whose keys are given."""

    row_keys: Int32[Tensor, " batch"]

    def drop(
        self, x: Float[Tensor, "batch *middle positions channels"], site: int, rate: float
    ) -> Float[Tensor, "batch *middle positions channels"]:
        """Drop elements of `x`; anything between batch and position counts as channels."""
        middle = x.shape[1:-2].numel()
        mask = keep_mask(self.row_keys, site, x.shape[-2], middle * x.shape[-1], rate)
        if x.dim() == 4:  # [batch head query key]: the heads lie side by side in the channels
            mask = mask.reshape(*mask.shape[:2], middle, -1).transpose(1, 2)
        return (x * mask).to(x.dtype)  # the mask is float32, a model may be half that


class Dropout(nn.Module):
    """Drops a share `rate` of its input, at a place in the model numbered `site`."""

    def __init__(self, rate: float, site: int) -> None:
        super().__init__()
        self.rate = rate
        self.site = site

    def forward(
        self, x: Float[Tensor, "batch *middle width"], noise: Noise | Silence
    ) -> Float[Tensor, "batch *middle width"]:
        """Return `x` with this site's mask for these rows applied."""
        return noise.drop(x, self.site, self.rate)


class NoDropout(nn.Module):
    """Stands where dropout would, at rate 0."""

    def forward(
        self, x: Float[Tensor, "batch *middle width"], noise: Noise | Silence
    ) -> Float[Tensor, "batch *middle width"]:
        """Return `x` as it is."""
        return x


def build_dropout(rate: float, site: int) -> Dropout | NoDropout:
    """Return the dropout for one site; a rate of 0 costs nothing."""
    return Dropout(rate, site) if rate > 0.0 else NoDropout()
