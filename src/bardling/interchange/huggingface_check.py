"""An exported folder of Hugging Face's, read back: by transformers where it is installed."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from bardling.extras import when_needed
from bardling.interchange.huggingface_folder import read_folder
from bardling.interchange.parity import Parity, compare, require_same
from bardling.model.gpt import GPT


def check_huggingface(model: GPT, folder: Path) -> Parity:
    """Return how far the folder's model is from `model`; raises `ExportError` where it is too far.

    Without transformers, the folder is read by our own import.
    """
    if find_spec("transformers") is None:
        found = compare(
            model,
            read_folder(folder).build(),
            read_by="bardling",
            unchecked="whether transformers reads it: pip install transformers",
        )
    else:
        library = when_needed("transformers")
        library.utils.logging.disable_progress_bar()
        theirs = library.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
        reader = partial(logits_of, theirs)
        found = compare(model, reader, read_by=f"transformers {library.__version__}")
    require_same(found, "the Hugging Face folder")
    return found


def logits_of(theirs: Any, ids: Int64[Tensor, "batch time"]) -> Float[Tensor, "batch time vocab"]:
    """Return the logits of a model of transformers'."""
    return theirs(input_ids=ids).logits
