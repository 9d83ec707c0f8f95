"""Exported ONNX files, read back by onnxruntime on a CPU, with what they kept of earlier goes."""

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from bardling.data.tokens import Tokens
from bardling.extras import optional
from bardling.interchange.onnx_builder import EXTRA
from bardling.interchange.onnx_files import MODEL, QUANTIZED
from bardling.interchange.parity import EXACT, Parity, compare, require_same
from bardling.model.gpt import GPT

EIGHT_BITS = 0.5
"""The bound for the file in eight bits. Of models that were trained its logits are up to 0.08 of
the largest off, of those with random weights up to 0.3, of another model 1 or more. What rounding
has cost is told by the loss."""
Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


def check_onnx(model: GPT, folder: Path, tokens: Tokens | None = None) -> tuple[Parity, ...]:
    """Return how far each of the folder's files is from `model`, also in its loss on a text.

    Raises `ExportError` where one is too far.
    """
    checks = []
    for name, bound in {MODEL: EXACT, QUANTIZED: EIGHT_BITS}.items():
        session, version = open_session(folder / name)
        reader = partial(logits_in_goes, session)
        found = compare(model, reader, read_by=f"onnxruntime {version}, {name}", tokens=tokens)
        require_same(found, name, bound)
        checks.append(found)
    return tuple(checks)


def open_session(path: Path) -> tuple[Any, str]:
    """Return a file ready to run, and the version of onnxruntime that runs it."""
    library = optional("onnxruntime", EXTRA, "reading an ONNX file back")
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session, library.__version__


def logits_in_goes(
    session: Any, ids: Int64[Tensor, "batch time"]
) -> Float[Tensor, "batch time vocab"]:
    """Return the logits of a text whose first half is read, then the rest, the last token alone."""
    time = ids.shape[1]
    cuts = sorted({0, -(-time // 2), time - 1, time} - {-1})
    kept, logits = nothing_kept(session, len(ids)), []
    for start, end in pairwise(cuts):
        found, kept = read_on(session, ids.numpy()[:, start:end], kept)
        logits.append(torch.from_numpy(found))
    return torch.cat(logits, dim=1)


def nothing_kept(session: Any, batch: int) -> Arrays:
    """Return the keys and values of no tokens, by the names of the inputs that take them."""
    shapes = {i.name: i.shape for i in session.get_inputs() if i.name.startswith("past")}
    return {
        name: np.zeros((batch, heads, 0, channels), dtype=np.float32)
        for name, (_, heads, _, channels) in shapes.items()
    }


def read_on(session: Any, ids: Any, kept: Arrays) -> tuple[Any, Arrays]:
    """Read more tokens; return their logits, and the keys and values of all tokens so far."""
    batch, time = ids.shape
    past = next(iter(kept.values())).shape[2]
    fed = {
        "input_ids": ids,
        "attention_mask": np.ones((batch, past + time), dtype=np.int64),
        "position_ids": np.arange(past, past + time)[None].repeat(batch, axis=0),
    }
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, fed | kept), strict=True))
    logits = found.pop("logits")
    return logits, {n.replace("present", "past_key_values"): a for n, a in found.items()}
