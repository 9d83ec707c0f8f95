"""Tables of tokens that were trained whole beside an adapter: `modules_to_save` in peft's files.

There a file holds the embedding and the output layer under the names of transformers. A model that
has one table for both has it twice, since peft makes a copy of each module that it saves.
"""

from collections.abc import Mapping

import torch

from bardling.errors import CheckpointError
from bardling.fields import show
from bardling.interchange.family import Family, Restated, Weights, nearest_family
from bardling.interchange.names import shapes_of, their_names
from bardling.model.config import ModelConfig
from bardling.storage import Json

PREFIX, SETTING = "base_model.model.", "modules_to_save"
TABLES = ("embedding.weight", "output.weight")


def tables_of(said: Restated) -> Weights:
    """Return both tables of a model by the names that a file of peft's has for them."""
    weights = {"output.weight": said.weights["embedding.weight"]} | said.weights
    return {
        PREFIX + theirs: weights[ours] for ours, theirs in _names(said.family, said.config).items()
    }


def words_for(family: Family, config: ModelConfig) -> list[str]:
    """Return what transformers calls the two layers."""
    return [name.split(".")[-2] for name in _names(family, config).values()]


def take_tables(told: Mapping[str, Json], tensors: Weights, config: ModelConfig) -> Weights:
    """Take the tables out of a file's `tensors` and return them by our names; none may be there.

    Raises `CheckpointError` where others than these two were saved, or they are not a model's of
    `config`.
    """
    family = nearest_family(config)
    words, wanted = words_for(family, config), told.get(SETTING)
    if wanted in (None, []):
        return {}
    if not isinstance(wanted, list) or sorted(map(str, wanted)) != sorted(words):
        raise CheckpointError(
            f"'{SETTING}' is {show(wanted)}; {' and '.join(words)} are read here, or none"
        )
    if config.embedding_scale != 1.0:
        raise CheckpointError("this run's model scales its embedding, which nobody else's does")
    found: Weights = {}
    for ours, theirs in _names(family, config).items():
        tensor = tensors.pop(PREFIX + theirs, None)
        shape = shapes_of(config)["embedding.weight"]
        if tensor is None:
            raise CheckpointError(f"{PREFIX}{theirs} is missing")
        if tuple(tensor.shape) != shape:
            raise CheckpointError(
                f"{PREFIX}{theirs} has shape {list(tensor.shape)}; {list(shape)} was expected"
            )
        found[ours] = tensor.float().clone()
    if config.tie_embeddings and not torch.equal(*found.values()):
        raise CheckpointError(
            f"{' and '.join(words)} differ in it, and this run's model has one table for both"
        )
    return {ours: table for ours, table in found.items() if ours in shapes_of(config)}


def _names(family: Family, config: ModelConfig) -> dict[str, str]:
    names = their_names(family, config)
    return {ours: names[ours][0] for ours in TABLES}
