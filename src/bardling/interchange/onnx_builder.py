"""An ONNX graph as it is built: nodes, weights and constants, each named by its place.

A node and the tensor that comes out of it bear one name, such as `block.0/attention/scores`, so
that a picture of the graph (netron draws one) reads like the model. Which nodes make a model is
left to `onnx_graph`.

Opset 17 is the first with LayerNormalization, and every onnxruntime of the last years runs it, in
Python and in a browser.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from bardling.extras import optional

EXTRA = "export"
"""What onnx and onnxruntime are installed with."""
OPSET = 17
IR_VERSION = 8
"""The version of the file format that came with that opset."""
Value = str
"""The name of a tensor in the graph."""
Axes = Sequence[str | int]
"""The shape of a tensor, where axes that differ from call to call have names."""
Array = np.ndarray[Any, np.dtype[Any]]


class Graph:
    """What has been added so far."""

    def __init__(self) -> None:
        self.onnx = optional("onnx", EXTRA, "an ONNX file")
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: dict[Value, Array] = {}

    def input(self, name: Value, kind: type, axes: Axes) -> Value:
        """Declare what the caller hands in."""
        self.inputs.append(self._described(name, kind, axes))
        return name

    def output(self, name: Value, kind: type, axes: Axes) -> None:
        """Declare what the caller gets."""
        self.outputs.append(self._described(name, kind, axes))

    def constant(self, name: Value, array: Array) -> Value:
        """Keep an array in the graph; under one name it is kept once."""
        self.constants.setdefault(name, array)
        return name

    def integers(self, *numbers: int) -> Value:
        """Return a row of integers, for shapes and places."""
        name = ",".join(map(str, numbers))
        return self.constant(f"integers/{name}", np.array(numbers, dtype=np.int64))

    def integer(self, number: int) -> Value:
        """Return one integer."""
        return self.constant(f"integer/{number}", np.array(number, dtype=np.int64))

    def number(self, number: float) -> Value:
        """Return one float32."""
        return self.constant(f"number/{number:.9g}", np.array(number, dtype=np.float32))

    def at(self, path: str) -> "Place":
        """Return a place to add to."""
        return Place(self, path)

    def model(self, name: str) -> Any:
        """Return the whole as a `ModelProto`."""
        helper, numpy_helper = self.onnx.helper, self.onnx.numpy_helper
        graph = helper.make_graph(
            self.nodes,
            name,
            self.inputs,
            self.outputs,
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        return helper.make_model(
            graph,
            producer_name="bardling",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )

    def _described(self, name: Value, kind: type, axes: Axes) -> Any:
        helper = self.onnx.helper
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return helper.make_tensor_value_info(name, number, list(axes))


@dataclass(frozen=True)
class Place:
    """A part of the model in a graph; what is added here has its path before its name."""

    graph: Graph
    path: str

    def at(self, name: str) -> "Place":
        """Return a place within this one."""
        return Place(self.graph, f"{self.path}/{name}")

    def add(
        self, name: str, op: str, *inputs: Value, output: Value | None = None, **attributes: Any
    ) -> Value:
        """Add a node and return what comes out of it, by the node's name or one that is given."""
        full = f"{self.path}/{name}"
        return self._node(full, op, inputs, [output or full], attributes)[0]

    def split(self, name: str, x: Value, parts: int, *, axis: int) -> list[Value]:
        """Return a tensor in equal parts."""
        full = f"{self.path}/{name}"
        return self._node(full, "Split", [x], [f"{full}.{i}" for i in range(parts)], {"axis": axis})

    def weight(self, name: str, tensor: Tensor) -> Value:
        """Keep a weight of the model."""
        return self.graph.constant(f"{self.path}/{name}", tensor.contiguous().numpy())

    def _node(
        self,
        name: str,
        op: str,
        inputs: Sequence[Value],
        outputs: list[Value],
        attributes: dict[str, Any],
    ) -> list[Value]:
        make = self.graph.onnx.helper.make_node
        self.graph.nodes.append(make(op, list(inputs), outputs, name=name, **attributes))
        return outputs
