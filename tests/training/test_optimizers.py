"""Optimizers against their formulas; their groups; their state by name, in and out."""

import json

import pytest
import torch

from bardling.errors import CheckpointError
from bardling.fields import word_for
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.model.lora import wrap
from bardling.model.lora_config import LoRA
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon
from bardling.training.optimizers import (
    build_optimizer,
    decay_groups,
    group_settings,
    hidden_matrices,
    restore_state,
    state_tensors,
)

TINY = ModelConfig(
    vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=8, norm="layernorm", bias=True,
    position="learned",
)  # fmt: skip
BIGRAM = ModelConfig(vocab_size=5, n_layer=0, n_embd=8, n_head=1, norm="none", position="none")
TIED = modern(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=8)
UNTIED = classic(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=8, tie_embeddings=False)
CONFIGS = [
    AdamW(),
    Muon(),
    Muon(nesterov=False, ns_steps=3),
    Adam(),
    SGD(),
    SGD(momentum=0.9),
    SGD(momentum=0.9, nesterov=True),
]
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def name_of(config) -> str:
    return word_for(type(config))


def normal(shape, random):
    return torch.randn(shape, generator=random)


def well_conditioned(shape, random):
    """Return noise on a fixed matrix whose singular values are all 1, where it is a matrix.

    The smallest singular values of pure noise drown in the bf16 of Muon's iteration.
    """
    noise = torch.randn(shape, generator=random)
    if len(shape) < 2:
        return noise
    fixed = torch.randn(shape, generator=torch.Generator().manual_seed(99))
    u, _, v = torch.linalg.svd(fixed, full_matrices=False)
    return u @ v + 0.1 * noise


def take_steps(model, optimizer, count, *, first=0, gradient=normal):
    """Move with gradients that depend on the number of the step alone."""
    for step in range(first, first + count):
        random = torch.Generator().manual_seed(step)
        for parameter in model.parameters():
            parameter.grad = gradient(parameter.shape, random).to(parameter.dtype)
        optimizer.step()


def groups_by_name(model, optimizer, key):
    """Return a setting of the group that each parameter is in; each must be in one alone."""
    names = {id(p): name for name, p in model.named_parameters()}
    found = [(names[id(p)], g[key]) for g in optimizer.param_groups for p in g["params"]]
    assert sorted(name for name, _ in found) == sorted(names.values())
    return dict(found)


def copies(tensors):
    return {name: tensor.clone() for name, tensor in tensors.items()}


def test_matrices_decay_and_vectors_do_not():
    model = GPT(TINY)
    matrices, vectors = decay_groups(model)
    assert sorted(matrices + vectors) == sorted(name for name, _ in model.named_parameters())
    assert not set(matrices) & set(vectors)
    assert all("bias" in name or "norm" in name for name in vectors)
    assert not any("bias" in name or "norm" in name for name in matrices)
    assert {"embedding.weight", "places.weight"} <= set(matrices)
    expected = dict.fromkeys(matrices, 0.3) | dict.fromkeys(vectors, 0.0)
    for config in (AdamW(weight_decay=0.3), Muon(weight_decay=0.3)):
        optimizer = build_optimizer(model, config)
        assert groups_by_name(model, optimizer, "weight_decay") == expected


@pytest.mark.parametrize("config", [Adam(), SGD()], ids=name_of)
def test_some_optimizers_have_no_decay_at_all(config):
    model = GPT(TINY)
    optimizer = build_optimizer(model, config)
    assert set(groups_by_name(model, optimizer, "weight_decay").values()) == {0}


def test_groups_and_members_without_parameters_are_left_out():
    model = GPT(BIGRAM)
    for config in (AdamW(), Muon()):
        optimizer = build_optimizer(model, config)
        [member] = optimizer.members
        assert isinstance(member, torch.optim.AdamW) and len(member.param_groups) == 1
    adapters = wrap(GPT(ModelConfig(vocab_size=7)), LoRA())  # nothing but matrices inside blocks
    assert [type(one).__name__ for one in build_optimizer(adapters, Muon()).members] == [
        "StackedMuon"
    ]


@pytest.mark.parametrize(
    ("config", "count"), [(TIED, 14), (UNTIED, 6), (BIGRAM, 0)], ids=["tied", "untied", "bigram"]
)
def test_hidden_matrices_are_those_of_the_layers_inside_blocks(config, count):
    model = GPT(config)
    linear = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "output"
    }
    assert set(hidden_matrices(model)) == linear
    assert len(linear) == count


@pytest.mark.parametrize("config", [TIED, UNTIED], ids=["tied", "untied"])
def test_muon_moves_the_hidden_matrices_and_adamw_the_rest(config):
    model = GPT(config)
    optimizer = build_optimizer(model, Muon(lr=0.5, muon_lr=0.25))
    muon, adamw = optimizer.members
    named, hidden = dict(model.named_parameters()), set(hidden_matrices(model))
    for name, parameter in named.items():
        owner = optimizer.owners[parameter]
        assert owner is (muon if name in hidden else adamw)
        assert isinstance(owner, torch.optim.Muon if name in hidden else torch.optim.AdamW)
    rates = {name: 0.25 if name in hidden else 0.5 for name in named}
    assert groups_by_name(model, optimizer, "lr") == rates


def test_rates_follow_a_fraction_of_their_own_highest():
    model = GPT(TINY)
    optimizer = build_optimizer(model, Muon(lr=0.4, muon_lr=0.2))
    highest = groups_by_name(model, optimizer, "lr")
    for fraction in (0.5, 0.0, 0.25, 1.0):
        assert optimizer.set_lr_fraction(fraction) == 0.4 * fraction
        now = groups_by_name(model, optimizer, "lr")
        assert now == {name: rate * fraction for name, rate in highest.items()}


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_at_rate_zero_nothing_moves_and_gradients_can_be_let_go(config):
    model = GPT(TINY)
    before = copies(model.state_dict())
    optimizer = build_optimizer(model, config)
    assert optimizer.set_lr_fraction(0.0) == 0.0
    take_steps(model, optimizer, 2)
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", [AdamW, Adam], ids=["adamw", "adam"])
def test_adam_is_its_formula(kind):
    decay = {"weight_decay": 0.5} if kind is AdamW else {}
    config = kind(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-3, **decay)
    model = GPT(TINY).double()
    decayed = decay_groups(model)[0] if decay else []
    expected = {name: p.detach().clone() for name, p in model.named_parameters()}
    first = {name: torch.zeros_like(p) for name, p in expected.items()}
    second = {name: torch.zeros_like(p) for name, p in expected.items()}
    optimizer = build_optimizer(model, config)
    for t in range(1, 4):
        take_steps(model, optimizer, 1, first=t)
        for name, parameter in model.named_parameters():
            gradient = parameter.grad
            first[name] = 0.8 * first[name] + 0.2 * gradient
            second[name] = 0.95 * second[name] + 0.05 * gradient**2
            root = (second[name] / (1 - 0.95**t)).sqrt() + 1e-3
            expected[name] *= 1 - 0.01 * (0.5 if name in decayed else 0.0)
            expected[name] -= 0.01 * first[name] / (1 - 0.8**t) / root
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_is_its_formula(momentum, nesterov):
    model = GPT(TINY).double()
    expected = {name: p.detach().clone() for name, p in model.named_parameters()}
    velocity = {name: torch.zeros_like(p) for name, p in expected.items()}
    optimizer = build_optimizer(model, SGD(lr=0.01, momentum=momentum, nesterov=nesterov))
    for t in range(3):
        take_steps(model, optimizer, 1, first=t)
        for name, parameter in model.named_parameters():
            velocity[name] = momentum * velocity[name] + parameter.grad
            ahead = parameter.grad + momentum * velocity[name]
            expected[name] -= 0.01 * (ahead if nesterov else velocity[name])
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-12, atol=1e-14)


def nearly_orthogonal(matrix, steps):
    """Bend each singular value by Jordan's quintic, in float64, through the decomposition."""
    u, values, v = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return u * values @ v


def stretch(matrix):
    """Return how much longer a step is in a matrix that has more rows than columns."""
    return max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5


@pytest.mark.parametrize(("nesterov", "ns_steps"), [(True, 5), (False, 5), (True, 2)])
def test_muon_is_its_formula_within_the_bf16_of_its_iteration(nesterov, ns_steps):
    config = Muon(
        lr=0.3, muon_lr=0.01, momentum=0.8, nesterov=nesterov, ns_steps=ns_steps, weight_decay=0.5
    )
    model = GPT(TINY).double()
    named = {name: p for name, p in model.named_parameters() if name in hidden_matrices(model)}
    expected = {name: p.detach().clone() for name, p in named.items()}
    momentum = {name: torch.zeros_like(p) for name, p in expected.items()}
    optimizer = build_optimizer(model, config)
    for t in range(3):
        take_steps(model, optimizer, 1, first=t, gradient=well_conditioned)
        for name, parameter in named.items():
            gradient, before = parameter.grad, expected[name].clone()
            momentum[name] = 0.8 * momentum[name] + 0.2 * gradient
            mixed = 0.8 * momentum[name] + 0.2 * gradient if nesterov else momentum[name]
            change = stretch(parameter) * nearly_orthogonal(mixed, ns_steps)
            expected[name] = before * (1 - 0.01 * 0.5) - 0.01 * change
            off = (parameter.detach() - expected[name]).norm() / (0.01 * change).norm()
            assert off < 0.03 * (t + 1), f"{name}: {off:.3f} of a step"


def test_a_step_of_muon_is_nearly_orthogonal():
    model = GPT(TINY)
    before = copies(dict(model.named_parameters()))
    optimizer = build_optimizer(model, Muon(muon_lr=0.1, weight_decay=0.0))
    take_steps(model, optimizer, 1, gradient=well_conditioned)
    for name in hidden_matrices(model):
        step = (model.get_parameter(name) - before[name]).detach() / 0.1
        values = torch.linalg.svdvals(step) / stretch(step)
        assert values.min() > 0.6 and values.max() < 1.25, name


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_a_new_optimizer_has_no_state(config):
    model = GPT(TINY)
    assert state_tensors(model, build_optimizer(model, config)) == {}


def state_names(model, config):
    """Return what each optimizer is known to remember."""
    hidden = hidden_matrices(model)
    buffers, moments = ("momentum_buffer",), MOMENTS
    of_kind = {
        AdamW: lambda name: moments,
        Adam: lambda name: moments,
        Muon: lambda name: buffers if name in hidden else moments,
        SGD: lambda name: buffers if config.momentum else (),
    }[type(config)]
    return {f"{name}/{key}" for name, _ in model.named_parameters() for key in of_kind(name)}


@pytest.mark.parametrize("model_config", [TINY, TIED, BIGRAM], ids=["classic", "tied", "bigram"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_restored_state_continues_bitwise(config, dtype, model_config):
    straight, resumed = GPT(model_config).to(dtype), GPT(model_config).to(dtype)
    optimizer = build_optimizer(straight, config)
    take_steps(straight, optimizer, 3)
    saved = copies(state_tensors(straight, optimizer))
    assert saved.keys() == state_names(straight, config)
    resumed.load_state_dict(copies(straight.state_dict()))
    take_steps(straight, optimizer, 3, first=3)

    other = build_optimizer(resumed, config)
    restore_state(resumed, other, saved)
    again = state_tensors(resumed, other)
    assert again.keys() == saved.keys()
    assert all(torch.equal(again[name], saved[name]) for name in saved)
    take_steps(resumed, other, 3, first=3)
    for (name, a), b in zip(straight.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name
    ends = state_tensors(straight, optimizer), state_tensors(resumed, other)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("config", [AdamW(), Muon(), Adam(), SGD(momentum=0.9)], ids=name_of)
@pytest.mark.parametrize(("before", "now"), [("float64", "float32"), ("float32", "float64")])
def test_state_goes_on_in_another_precision(config, before, now):
    model, other = (GPT(TINY).to(getattr(torch, name)) for name in (before, now))
    optimizer, resumed = build_optimizer(model, config), build_optimizer(other, config)
    take_steps(model, optimizer, 2)
    saved = copies(state_tensors(model, optimizer))
    restore_state(other, resumed, saved)
    for name, tensor in state_tensors(other, resumed).items():
        counts = name.endswith("/step")
        assert tensor.dtype == (torch.float32 if counts else getattr(torch, now)), name
        torch.testing.assert_close(tensor, saved[name], check_dtype=False)
    take_steps(other, resumed, 1, first=2)


@pytest.mark.parametrize("config", [AdamW(), Muon()], ids=name_of)
def test_restored_state_is_a_copy(config):
    model = GPT(TINY)
    optimizer = build_optimizer(model, config)
    take_steps(model, optimizer, 1)
    saved = copies(state_tensors(model, optimizer))
    kept = copies(saved)
    restore_state(model, optimizer, saved)
    take_steps(model, optimizer, 1)
    assert all(torch.equal(saved[name], kept[name]) for name in saved)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("nowhere.weight/exp_avg", (5, 8), "names 'nowhere.weight', which this model does not"),
        ("exp_avg", (5, 8), "names '', which this model does not have"),
        ("embedding.weight/exp_avg", (6, 8), r"has shape \[6, 8\], but this model needs \[5, 8\]"),
        ("embedding.weight/exp_avg", (), r"has shape \[\], but this model needs \[5, 8\]"),
        ("embedding.weight/step", (5, 8), r"has shape \[5, 8\], but this model needs \[\]"),
        (
            "embedding.weight/exp_avg",
            (5, 8),
            "of 'embedding.weight' is exp_avg, but AdamW keeps exp_avg, exp_avg_sq, step",
        ),
    ],
)
def test_the_state_of_another_model_is_refused(name, shape, message):
    model = GPT(TINY)
    with pytest.raises(CheckpointError, match=message):
        restore_state(model, build_optimizer(model, AdamW()), {name: torch.zeros(shape)})


@pytest.mark.parametrize(
    ("config", "other", "said"),
    [
        (Muon(), AdamW(), "is exp_avg, exp_avg_sq, step, but StackedMuon keeps momentum_buffer"),
        (AdamW(), Muon(), "is momentum_buffer, but AdamW keeps exp_avg, exp_avg_sq, step"),
        (SGD(momentum=0.9), Adam(), "is exp_avg, exp_avg_sq, step, but SGD keeps momentum_buffer"),
    ],
)
def test_the_state_of_another_optimizer_is_refused_and_nothing_is_taken_over(config, other, said):
    model = GPT(TINY)
    mine, theirs = build_optimizer(model, config), build_optimizer(model, other)
    take_steps(model, theirs, 1)
    with pytest.raises(CheckpointError, match=f"{said}$"):
        restore_state(model, mine, state_tensors(model, theirs))
    assert state_tensors(model, mine) == {}


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_what_is_set_for_the_groups_is_json_and_names_the_highest_rate(config):
    optimizer = build_optimizer(GPT(TINY), config)
    optimizer.set_lr_fraction(0.5)
    settings = json.loads(json.dumps(group_settings(optimizer)))
    assert len(settings) == len(optimizer.param_groups)
    for group in settings:
        assert group["lr"] == group["initial_lr"] * 0.5 and "params" not in group


@pytest.mark.parametrize("config", [AdamW(), Adam()], ids=name_of)
def test_adam_steps_in_one_kernel_where_there_is_one(config):
    assert all(g["fused"] for g in build_optimizer(GPT(TINY), config).param_groups)
    elsewhere = build_optimizer(GPT(TINY).to("meta"), config)
    assert not any(g["fused"] for g in elsewhere.param_groups)


@pytest.mark.parametrize("decay_vectors", [False, True])
def test_decay_of_vectors_is_for_who_asks(decay_vectors):
    model = GPT(ModelConfig(vocab_size=7, n_embd=12, n_layer=1, n_head=2, bias=True))
    optimizer = build_optimizer(model, AdamW(weight_decay=0.5, lr=0.1, decay_vectors=decay_vectors))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        decays = decay_vectors or parameter.dim() >= 2
        assert torch.allclose(parameter, before[name] * (0.95 if decays else 1.0)), name


def test_an_l2_penalty_goes_through_adam():
    """It is a part of the gradient, so that Adam's first step is the rate whatever its size."""
    model = GPT(ModelConfig(vocab_size=7, n_embd=12, n_layer=1, n_head=2, bias=True, init="plain"))
    optimizer = build_optimizer(model, Adam(weight_decay=0.3, lr=0.1))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        step = 0.1 * before[name].sign() if parameter.dim() >= 2 else 0.0
        assert torch.allclose(parameter, before[name] - step, atol=1e-4), name
