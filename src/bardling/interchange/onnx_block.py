"""The block of a restated model in an ONNX graph: attention with its cache, and feed-forward.

It computes what `model/attention.py`, `feedforward.py` and `norms.py` compute, for any number of
new tokens after any number of old ones.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bardling.interchange.family import Weights
from bardling.interchange.onnx_builder import Place, Value
from bardling.model.config import ModelConfig

BATCH, NEW, PAST = "batch_size", "sequence_length", "past_sequence_length"
ALL = f"{PAST} + {NEW}"
"""The axes that differ from call to call, by the names that optimum and transformers.js know."""
UNSEEN = float(np.finfo(np.float32).min)
"""The score of a key that may not be looked at; not -inf, since padding may see no key at all."""


def within(weights: Weights, prefix: str) -> Weights:
    """Return the weights whose names begin so, by the rest of their names."""
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def add_norm(at: Place, config: ModelConfig, weights: Weights, x: Value) -> Value:
    """Return vectors normalised by the norm of the model, or of heads, that `weights` are of."""
    weight = at.weight("weight", weights["weight"])
    if config.norm == "layernorm":
        bias = at.weight("bias", weights["bias"])
        return at.add("normed", "LayerNormalization", x, weight, bias, epsilon=config.norm_eps)
    square = at.add("square", "Pow", x, at.graph.number(2.0))
    mean = at.add("mean", "ReduceMean", square, axes=[-1])
    length = at.add("length", "Sqrt", at.add("eps", "Add", mean, at.graph.number(config.norm_eps)))
    return at.add("normed", "Mul", at.add("unit", "Div", x, length), weight)


def add_linear(at: Place, weights: Weights, x: Value) -> Value:
    """Return what a linear layer makes of vectors."""
    product = at.add("product", "MatMul", x, at.weight("weight", weights["weight"].T))
    if "bias" not in weights:
        return product
    return at.add("sum", "Add", product, at.weight("bias", weights["bias"]))


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block, and what all blocks look at."""

    at: Place
    layer: int
    config: ModelConfig
    weights: Weights
    """Of this block, by their names within it."""
    visible: Value
    """Whether a query may look at a key, [batch, 1, query, key]."""
    turns: tuple[Value, Value] | None
    """Cosine and sine of half a head's channels at each place; in GPT-2 nothing turns."""

    def add(self, x: Value) -> Value:
        """Return the residual stream after the block."""
        for name, sublayer in (("attention", self._attention), ("feedforward", self._feedforward)):
            at, weights = self.at.at(name), within(self.weights, f"{name}.")
            normed = add_norm(at.at("norm"), self.config, within(weights, "norm_before."), x)
            found = sublayer(at, within(weights, "transform."), normed)
            x = at.add("residual", "Add", x, found)
        return x

    def _attention(self, at: Place, weights: Weights, x: Value) -> Value:
        """Return what attention adds.

        The queries of a group lie one behind the other, [batch, kv_head, group * query, channel],
        so that the keys and values that they share need not be copied for each.
        """
        config, graph = self.config, at.graph
        queries = self._heads(at.at("query"), within(weights, "pattern.query"), x, config.n_head)
        keys = self._heads(at.at("key"), within(weights, "pattern.key"), x, config.kv_heads)
        values = self._heads(
            at.at("value"), within(weights, "value"), x, config.kv_heads, turning=False
        )
        keys, values = self._kept(at, "key", keys), self._kept(at, "value", values)
        scaled = at.add("query/scaled", "Mul", queries, graph.number(config.head_width**-0.5))
        columns = at.add("key/columns", "Transpose", keys, perm=(0, 1, 3, 2))
        grouped = self._grouped(at, "query", scaled)
        scores = self._apart(at, "scores", at.add("scores", "MatMul", grouped, columns))
        seen = at.add("scores/seen", "Where", self.visible, scores, graph.number(UNSEEN))
        taken = self._grouped(at, "weights", at.add("weights", "Softmax", seen, axis=-1))
        mixed = self._apart(at, "mixture", at.add("mixture", "MatMul", taken, values))
        in_turn = at.add("mixture/by_time", "Transpose", mixed, perm=(0, 2, 1, 3))
        joined = at.add("joined", "Reshape", in_turn, graph.integers(0, 0, config.attention_width))
        return add_linear(at.at("output"), within(weights, "output."), joined)

    def _heads(
        self, at: Place, weights: Weights, x: Value, count: int, *, turning: bool = True
    ) -> Value:
        """Return heads, [batch, head, time, channel]; those of values neither norm nor turn."""
        flat = add_linear(at, within(weights, "."), x)
        shape = at.graph.integers(0, 0, count, self.config.head_width)
        heads = at.add("heads", "Reshape", flat, shape)
        norm = within(weights, "_norm.")
        if norm:
            heads = add_norm(at.at("norm"), self.config, norm, heads)
        heads = at.add("by_head", "Transpose", heads, perm=(0, 2, 1, 3))
        if self.turns is None or not turning:
            return heads
        (first, second), (cos, sin) = at.split("halves", heads, 2, axis=-1), self.turns
        to_left = at.add("left/across", "Mul", second, sin)
        to_right = at.add("right/across", "Mul", first, sin)
        left = at.add("left", "Sub", at.add("left/along", "Mul", first, cos), to_left)
        right = at.add("right", "Add", at.add("right/along", "Mul", second, cos), to_right)
        return at.add("turned", "Concat", left, right, axis=-1)

    def _kept(self, at: Place, kind: str, new: Value) -> Value:
        """Return all keys or values, those of earlier goes before the new, and hand them out."""
        sizes, name = (self.config.kv_heads, self.config.head_width), f"{self.layer}.{kind}"
        axes = [(BATCH, sizes[0], time, sizes[1]) for time in (PAST, ALL)]
        past = at.graph.input(f"past_key_values.{name}", np.float32, axes[0])
        at.graph.output(f"present.{name}", np.float32, axes[1])
        return at.add(f"{kind}/all", "Concat", past, new, axis=2, output=f"present.{name}")

    def _grouped(self, at: Place, name: str, x: Value) -> Value:
        """Lay the heads of a group one behind the other in time."""
        return self._regrouped(at, f"{name}/grouped", x, self.config.kv_heads)

    def _apart(self, at: Place, name: str, x: Value) -> Value:
        """Undo that."""
        return self._regrouped(at, f"{name}/apart", x, self.config.n_head)

    def _regrouped(self, at: Place, name: str, x: Value, heads: int) -> Value:
        if self.config.n_head == self.config.kv_heads:
            return x
        return at.add(name, "Reshape", x, at.graph.integers(0, heads, -1, 0))

    def _feedforward(self, at: Place, weights: Weights, x: Value) -> Value:
        """Return what the feed-forward layer adds."""
        own = {name: within(weights, f"layer.{name}.") for name in ("gate", "up", "down")}
        inner = add_linear(at.at("up"), own["up"], x)
        if self.config.feedforward == "swiglu":
            gate = add_linear(at.at("gate"), own["gate"], x)
            open_gate = _sigmoid_unit(at.at("activation"), gate, 1.0)
            inner = at.add("gated", "Mul", open_gate, inner)
        else:
            inner = ACTIVATIONS[self.config.feedforward](at.at("activation"), inner)
        return add_linear(at.at("down"), own["down"], inner)


def _sigmoid_unit(at: Place, x: Value, steepness: float) -> Value:
    """Return x sigmoid(steepness x): SiLU at 1, GELU's sigmoid form at 1.702."""
    steeper = x if steepness == 1.0 else at.add("steeper", "Mul", x, at.graph.number(steepness))
    return at.add("bent", "Mul", x, at.add("sigmoid", "Sigmoid", steeper))


def _gelu(at: Place, x: Value) -> Value:
    """Return x / 2 * (1 + erf(x / sqrt(2)))."""
    number = at.graph.number
    error = at.add("erf", "Erf", at.add("scaled", "Div", x, number(math.sqrt(2.0))))
    twice = at.add("twice", "Mul", x, at.add("erf_and_one", "Add", error, number(1.0)))
    return at.add("bent", "Mul", twice, number(0.5))


def _gelu_tanh(at: Place, x: Value) -> Value:
    """Return x / 2 * (1 + tanh(sqrt(2 / π) (x + 0.044715 x³)))."""
    number = at.graph.number
    cube = at.add("cube", "Mul", at.add("square", "Mul", x, x), x)
    inner = at.add("sum", "Add", x, at.add("little_cube", "Mul", cube, number(0.044715)))
    scaled = at.add("scaled", "Mul", inner, number(math.sqrt(2.0 / math.pi)))
    tanh_and_one = at.add("tanh_and_one", "Add", at.add("tanh", "Tanh", scaled), number(1.0))
    return at.add("bent", "Mul", at.add("half", "Mul", x, number(0.5)), tanh_and_one)


ACTIVATIONS: dict[str, Callable[[Place, Value], Value]] = {
    "relu": lambda at, x: at.add("bent", "Relu", x),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "gelu_sigmoid": lambda at, x: _sigmoid_unit(at, x, 1.702),
}
