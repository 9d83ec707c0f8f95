"""The two ONNX files of a model: in float32, and with matrices in eight bits.

They are named as transformers.js looks for them: `model` is what it takes in node and on a GPU,
`model_quantized` (its "q8") what it takes in a browser without one. The folder around them is
that of `huggingface`, without model.safetensors.
"""

import tempfile
from pathlib import Path
from typing import Any

from bardling import storage
from bardling.extras import optional
from bardling.interchange.family import Restated
from bardling.interchange.onnx_builder import EXTRA
from bardling.interchange.onnx_graph import TABLES, onnx_model

MODEL, QUANTIZED = "onnx/model.onnx", "onnx/model_quantized.onnx"
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""What onnxruntime writes into a graph it has prepared for this; without it, it gives advice."""


def onnx_files(said: Restated) -> dict[str, bytes]:
    """Return the files by their names in the folder."""
    model = onnx_model(said)
    return {MODEL: model.SerializeToString(), QUANTIZED: _quantized(model)}


def _quantized(model: Any) -> bytes:
    """Return the file of a graph whose matrices are bytes, with a scale for each output.

    What enters a product is rounded to bytes too, when it comes. Signed bytes are quicker than
    unsigned ones in a browser, and only 7 of their bits are used: with 8, sums of products overflow
    on processors without VNNI (onnxruntime's `reduce_range`). The embedding is of unsigned bytes
    with one scale, and a tied output layer shares them. Tables of places stay as they are: they
    are small, and whatever follows depends on them.
    """
    quantization = optional("onnxruntime.quantization", EXTRA, "an ONNX file in eight bits")
    key, value = _PREPARED
    model.metadata_props.add(key=key, value=value)
    with tempfile.TemporaryDirectory(prefix="bardling-") as folder:
        path = Path(folder) / "model.onnx"
        quantization.quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["Gather", "MatMul"],
            nodes_to_exclude=list(TABLES),
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
        return storage.read_bytes(path)
