"""Norms against their formulas, with weights that are not one and an eps that counts."""

import pytest
import torch

from bardling.model.config import ModelConfig
from bardling.model.norms import build_head_norm, build_norm

EPS = 0.03  # as large as the variance of the inputs below, so that forgetting it shows


def _inputs(width: int) -> torch.Tensor:
    return 0.2 * torch.randn(2, 5, width, generator=torch.Generator().manual_seed(1)) + 0.1


def _randomise(module: torch.nn.Module) -> None:
    random = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, mean=0.5, generator=random)


@pytest.mark.parametrize("bias", [True, False])
def test_layernorm(bias) -> None:
    norm = build_norm(ModelConfig(norm="layernorm", norm_eps=EPS, bias=bias), present=True)
    _randomise(norm)
    x = _inputs(192)
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    expected = (x - mean) / (variance + EPS).sqrt() * norm.weight
    assert (norm.bias is not None) == bias
    if bias:
        expected = expected + norm.bias
    torch.testing.assert_close(norm(x), expected, atol=1e-5, rtol=0)


def test_rmsnorm() -> None:
    norm = build_norm(ModelConfig(norm="rmsnorm", norm_eps=EPS, bias=True), present=True)
    _randomise(norm)
    x = _inputs(192)
    expected = x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected, atol=1e-5, rtol=0)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


def test_head_norm_works_on_each_head() -> None:
    norm = build_head_norm(ModelConfig(head_dim=8, qk_norm=True, norm_eps=EPS))
    _randomise(norm)
    heads = _inputs(8)[:, None].expand(2, 3, 5, 8)
    expected = heads / (heads.square().mean(-1, keepdim=True) + EPS).sqrt() * norm.weight
    torch.testing.assert_close(norm(heads), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "absent",
    [
        build_norm(ModelConfig(norm="none"), present=True),
        build_norm(ModelConfig(norm="layernorm"), present=False),
        build_head_norm(ModelConfig(qk_norm=False)),
    ],
)
def test_an_absent_norm_leaves_everything_and_learns_nothing(absent) -> None:
    x = _inputs(192)
    assert absent(x) is x
    assert not list(absent.parameters())


def test_autocast_does_not_take_precision_from_rmsnorm() -> None:
    norm = build_head_norm(ModelConfig(head_dim=8, qk_norm=True, norm_eps=EPS))
    _randomise(norm)
    heads = _inputs(8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = norm(heads)
    assert torch.equal(under_autocast, norm(heads.float()))


def test_a_norm_of_half_floats_stays_one() -> None:
    norm = build_head_norm(ModelConfig(head_dim=8, qk_norm=True)).bfloat16()
    assert norm(_inputs(8).bfloat16()).dtype == torch.bfloat16
