"""Tables of tokens that were trained whole beside an adapter: `modules_to_save` in peft's files.

There a file holds the embedding and the output layer under the names of transformers. Of a model
that has one table for both it holds that twice, and `ensure_weight_tying` says that it is one.
"""

from collections.abc import Mapping

import torch

from bardling.errors import CheckpointError
from bardling.fields import show
from bardling.interchange.family import Family, Weights, nearest_family, restate
from bardling.interchange.names import shapes_of, their_names
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.storage import Json

PREFIX = "base_model.model."
SETTINGS = SAVED, TIED = "modules_to_save", "ensure_weight_tying"
"""Of peft's: the modules that a file holds whole, and whether two of them are one."""
TABLES = ("embedding.weight", "output.weight")


def tables_of(model: GPT | None) -> tuple[dict[str, Json], Weights]:
    """Return what adapter_config.json says of the tables of a model, and both by their names there.

    Nothing where there is no model whose tables go along.
    """
    if model is None:
        return {}, {}
    said = restate(model)
    weights = {"output.weight": said.weights["embedding.weight"]} | said.weights
    names = _names(said.family, said.config).items()
    told: dict[str, Json] = {
        SAVED: list(_words(said.family, said.config)),
        TIED: said.config.tie_embeddings,
    }
    return told, {PREFIX + theirs: weights[ours] for ours, theirs in names}


def take_tables(told: Mapping[str, Json], tensors: Weights, config: ModelConfig) -> Weights:
    """Take the tables out of a file's `tensors` and return them by our names; none may be there.

    Raises `CheckpointError` where others than these two were saved, or they are not a model's of
    `config`.
    """
    family = nearest_family(config)
    words, wanted = _words(family, config), told.get(SAVED)
    if wanted in (None, []):
        return {}
    named = {str(one).rpartition(".")[2] for one in wanted} if isinstance(wanted, list) else set()
    is_one = config.tie_embeddings and told.get(TIED) is True and named < set(words)
    if not named or not (is_one or named == set(words)):
        raise CheckpointError(
            f"'{SAVED}' is {show(wanted)}; {' and '.join(words)} are read here, or none"
        )
    if config.embedding_scale != 1.0:
        raise CheckpointError(
            "this run's model scales its embedding, and GPT-2's does not: export it, import what "
            "was written, and take that as the base"
        )
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


def _words(family: Family, config: ModelConfig) -> tuple[str, ...]:
    return tuple(name.split(".")[-2] for name in _names(family, config).values())


def _names(family: Family, config: ModelConfig) -> dict[str, str]:
    names = their_names(family, config)
    return {ours: names[ours][0] for ours in TABLES}
