"""The GPT: token ids in, logits out, and nothing else.

`hidden` reads the ids, `output` turns the result into logits. What the logits are worth (a loss)
or what to do with them (a token) is decided elsewhere, so the same class serves training,
evaluation, generation and everything that wraps it.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bardling.errors import ConfigError, GenerationError
from bardling.model.attention import Pass
from bardling.model.cache import NO_CACHE, Cache
from bardling.model.config import ModelConfig
from bardling.model.dropout import SILENCE, Noise, Silence, build_dropout
from bardling.model.initialise import initialise
from bardling.model.norms import build_norm
from bardling.model.positions import PLACES
from bardling.model.residual import Block
from bardling.model.room import require_room


class GPT(nn.Module):
    """A decoder-only transformer built from the switches of a `ModelConfig`.

    Raises `ConfigError` when the vocabulary size is still open, or there is no room for the model.
    With the same config and seed the weights are the same; torch's own random state is neither used
    nor moved.
    """

    def __init__(self, config: ModelConfig, *, seed: int = 0) -> None:
        super().__init__()
        if config.vocab_size < 1:
            raise ConfigError("vocab_size is 0; a model needs to know how many tokens there are")
        require_room(config)
        self.config = config
        with torch.random.fork_rng(devices=[]):  # torch's layers draw weights that we replace
            self.embedding = nn.Embedding(config.vocab_size, config.n_embd)
            self.places = PLACES[config.position](config)
            self.dropout = build_dropout(config.dropout, site=0)
            self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
            self.final_norm = build_norm(config, present=config.final_norm)
            self.output = nn.Linear(config.n_embd, config.vocab_size, bias=config.output_bias)
        if config.tie_embeddings:
            self.output.weight = self.embedding.weight
        initialise(self, config, seed)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def forward(
        self,
        ids: Int64[Tensor, "batch time"],
        *,
        cache: Cache = NO_CACHE,
        noise: Noise | Silence = SILENCE,
    ) -> Float[Tensor, "batch time vocab"]:
        """Return for each position the logits of the token that follows it."""
        return self.output(self.hidden(ids, cache=cache, noise=noise))

    def hidden(
        self,
        ids: Int64[Tensor, "batch time"],
        *,
        cache: Cache = NO_CACHE,
        noise: Noise | Silence = SILENCE,
    ) -> Float[Tensor, "batch time width"]:
        """Return the residual stream before the output layer.

        `cache` holds what was read before these ids and is extended by them; together they must
        fit into `block_size`, or `GenerationError` is raised. `noise` is given in training steps
        only.
        """
        start = cache.length
        self.check_room(start + ids.shape[1])
        x = self.dropout(self.places(self.embedding(ids), start), noise)
        for index, block in enumerate(self.blocks):
            x = block(x, Pass(start, cache.layer(index), noise))
        cache.advance(ids.shape[1])
        return self.final_norm(x)

    def check_room(self, end: int) -> None:
        """Raise `GenerationError` where a context of `end` tokens is longer than the model's."""
        if end > self.config.block_size:
            raise GenerationError(
                f"the context holds {self.config.block_size} tokens, and {end} were asked of it; "
                "shorten the text, or build a model with a larger block_size"
            )
