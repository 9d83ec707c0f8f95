"""A restated model as an ONNX graph that reads a text in as many goes as one likes.

Its inputs and outputs are those of the task text-generation-with-past, as optimum exports it and
transformers.js runs it: ids, a mask of what is no padding, places, and for each block the keys and
values of what was read before, which come back longer. Before the first go they have length 0,
which transformers.js finds out by the names of the axes.

Everything is said in plain operators that a browser runs too; onnxruntime fuses those of norms and
activations itself. Matrices are stored [in, out]. A tied output layer shares its matrix with the
embedding, which takes columns of it.
"""

from typing import Any

import numpy as np

from bardling.errors import ExportError
from bardling.interchange.family import Restated
from bardling.interchange.onnx_block import ALL, BATCH, NEW, Block, add_norm, within
from bardling.interchange.onnx_builder import Graph, Value
from bardling.model.config import ModelConfig
from bardling.model.positions import Rotation

MOST_BYTES = 2**31 - 2**24
"""Of weights in one file: a message of protobuf ends at 2 GiB, and nodes need a little of it."""

TABLES = ("embedding/places", "rotation/cos/rows", "rotation/sin/rows")
"""The nodes that look up what belongs to a place."""


def onnx_model(said: Restated) -> Any:
    """Return the graph as a `ModelProto` of onnx.

    Raises `ExportError` where the weights are more than one file can hold.
    """
    size = sum(tensor.nbytes for tensor in said.weights.values())
    if size > MOST_BYTES:
        raise ExportError(
            f"the weights have {size:,} bytes, and one ONNX file holds at most {MOST_BYTES:,}; "
            "export to huggingface, and let optimum convert that"
        )
    graph, config = Graph(), said.config
    ids = graph.input("input_ids", np.int64, (BATCH, NEW))
    mask = graph.input("attention_mask", np.int64, (BATCH, ALL))
    places = graph.input("position_ids", np.int64, (BATCH, NEW))
    graph.output("logits", np.float32, (BATCH, NEW, config.vocab_size))
    x = _embedding(graph, said, ids, places)
    visible, turns = _visible(graph, ids, mask), _turns(graph, config, places)
    for layer in range(config.n_layer):
        x = Block(
            at=graph.at(f"block.{layer}"),
            layer=layer,
            config=config,
            weights=within(said.weights, f"blocks.{layer}.sublayers."),
            visible=visible,
            turns=turns,
        ).add(x)
    x = add_norm(graph.at("final_norm"), config, within(said.weights, "final_norm."), x)
    _output(graph, said, x)
    return graph.model(said.family)


def _embedding(graph: Graph, said: Restated, ids: Value, places: Value) -> Value:
    """Return the vectors of tokens, in GPT-2 with those of their places added."""
    at, table = graph.at("embedding"), said.weights["embedding.weight"]
    if said.config.tie_embeddings:
        columns = at.add("columns", "Gather", at.weight("weight", table.T), ids, axis=1)
        x = at.add("tokens", "Transpose", columns, perm=(1, 2, 0))
    else:
        x = at.add("tokens", "Gather", at.weight("weight", table), ids)
    if said.family != "gpt2":
        return x
    vectors = at.add("places", "Gather", at.weight("table", said.weights["places.weight"]), places)
    return at.add("sum", "Add", x, vectors)


def _output(graph: Graph, said: Restated, x: Value) -> None:
    """Add the output layer, whose result is the graph's."""
    at, tied = graph.at("output"), said.config.tie_embeddings
    weight = "embedding/weight" if tied else at.weight("weight", said.weights["output.weight"].T)
    at.add("logits", "MatMul", x, weight, output="logits")


def _visible(graph: Graph, ids: Value, mask: Value) -> Value:
    """Return which keys each query may look at: itself and those before it, but no padding."""
    at, one = graph.at("visible"), graph.integer(1)
    new = at.add("new", "Gather", at.add("new/shape", "Shape", ids), one)
    total = at.add("all", "Gather", at.add("all/shape", "Shape", mask), one)
    keys = at.add("keys", "Range", graph.integer(0), total, one)
    queries = at.add("queries", "Range", at.add("past", "Sub", total, new), total, one)
    rows = at.add("queries/rows", "Unsqueeze", queries, graph.integers(1))
    earlier = at.add("earlier", "LessOrEqual", keys, rows)
    real = at.add("real", "Cast", mask, to=graph.onnx.TensorProto.BOOL)
    real = at.add("real/columns", "Unsqueeze", real, graph.integers(1, 2))
    return at.add("both", "And", earlier, real)


def _turns(graph: Graph, config: ModelConfig, places: Value) -> tuple[Value, Value] | None:
    """Return cosine and sine of the angles at each place, [batch, 1, time, channel].

    They come from tables, as in our model: the angles grow with the place, and a GPU in a browser
    has sines of small angles only.
    """
    if config.position != "rotary":
        return None
    at, rotation, half = graph.at("rotation"), Rotation(config), config.head_width // 2

    def turn(name: str) -> Value:
        table = at.weight(f"{name}/table", rotation.get_buffer(name)[:, :half])
        rows = at.add(f"{name}/rows", "Gather", table, places)
        return at.add(name, "Unsqueeze", rows, graph.integers(1))

    return turn("cos"), turn("sin")
