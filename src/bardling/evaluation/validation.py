"""The validations of one run: both losses, at a price that the run can afford.

During a run the whole validation split is used unless that would take more than a twentieth of
the run's arithmetic; then a fixed, evenly spaced subset of its windows is, never fewer than
`LEAST_TOKENS`, below which losses are too noisy to choose by. The choice depends on sizes alone,
never on a clock, so that a resumed run validates as the uninterrupted one did.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Int64

from bardling.data.batches import Counted
from bardling.data.documents import Documents
from bardling.data.tokens import Tokens
from bardling.evaluation.loss import Evaluation, evaluate
from bardling.machine.machine import Machine
from bardling.machine.team import ALONE, Team
from bardling.model.gpt import GPT

EVALUATION_SHARE = 0.05
FORWARDS_PER_STEP = 3  # a backward pass costs about two forward passes
LOSSES = 2  # each validation reads the training text too
LEAST_TOKENS = 8192


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What to measure, and on how much of it."""

    train: Tokens
    val: Tokens
    batch_size: int
    interval_tokens: int
    """Tokens trained on between two validations."""
    machine: Machine | None = None
    """Whose precision validations during the run use; None takes that of the weights."""
    block_size: int = 0
    """Tokens of a window, where there are documents."""
    documents: Documents | None = None
    """Those of the validation split, where the floor of the language is known: losses, that on
    the training text too, are then measured on whole documents."""

    token_sizes: Int64[np.ndarray, " vocab"] | None = None
    """Bytes of UTF-8 that each id stands for, by which bits per byte are counted."""
    counted: Counted | None = None
    """Which tokens are foretold, where not all are."""

    @cached_property
    def train_documents(self) -> Documents | None:
        """The documents of the training split, if those of the other are known."""
        known = self.documents
        return None if known is None else Documents.find(self.train, known.end_token)

    @property
    def team(self) -> Team:
        """Those who share the work."""
        return ALONE if self.machine is None else self.machine.team

    @property
    def whole_floor(self) -> float | None:
        """The least expected loss on the whole validation split, where it is known."""
        if self.documents is None:
            return None
        return self.documents.floor(self.documents.spans(self.block_size))

    @property
    def padding(self) -> float:
        """Tokens that are computed for each that counts: windows of documents are not full."""
        if self.documents is None:
            return 1.0
        return len(self.documents.spans(self.block_size)) * self.block_size / len(self.val)

    @property
    def subset_tokens(self) -> int | None:
        """Tokens that one validation may use, or None for the whole split."""
        affordable = int(EVALUATION_SHARE * FORWARDS_PER_STEP / LOSSES * self.interval_tokens)
        wanted = max(LEAST_TOKENS, affordable)
        return None if wanted >= len(self.val) else wanted

    def during_run(self, model: GPT) -> tuple[Evaluation, Evaluation]:
        """Return the losses on training and validation text, over equally many tokens."""
        wanted = self.subset_tokens or len(self.val)
        rows = min(self.batch_size, -(-wanted // model.config.block_size))  # the rest is padding
        part = partial(
            evaluate,
            model,
            batch_size=rows,
            machine=self.machine,
            team=self.team,
            counted=self.counted,
        )
        val = part(
            self.val,
            max_tokens=self.subset_tokens,
            documents=self.documents,
            token_sizes=self.token_sizes,
        )
        train = part(self.train, max_tokens=val.tokens, documents=self.train_documents)
        return train, val

    def whole(self, model: GPT) -> Evaluation:
        """Return the loss on the whole validation split, in the precision of the weights."""
        return evaluate(
            model,
            self.val,
            batch_size=self.batch_size,
            team=self.team,
            documents=self.documents,
            token_sizes=self.token_sizes,
            counted=self.counted,
        )
