"""What a model has forgotten of the text it was trained on first, measured on its validation split.

More training on another text makes a model worse on its first one, the faster the higher the rate
(McCloskey and Cohen 1989, "Catastrophic interference"). How much is no matter of opinion: the run
that it began with still has its text.
"""

from dataclasses import dataclass

from bardling.data.documents import known_documents
from bardling.errors import BardlingError
from bardling.evaluation.loss import evaluate
from bardling.trained import EVALUATION_BATCH, Run

WORTH_A_WARNING = 0.1  # nats per token


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Losses on the validation split of the first text, in nats per token."""

    corpus: str
    before: float
    after: float
    tokens: int

    @property
    def told(self) -> str:
        """What was lost, in a sentence."""
        lost = self.after - self.before
        found = (
            f"on {self.corpus}, which it was trained on first: {self.before:.4f} before, "
            f"{self.after:.4f} after ({lost:+.4f} nats per token)"
        )
        if lost < WORTH_A_WARNING:
            return found
        return f"{found}; to forget less, take a lower --optimizer.lr or fewer steps"


def forgetting(before: Run, after: Run, *, max_tokens: int = 200_000) -> Forgetting | None:
    """Return both losses on the text of the first run, on `max_tokens` of its tokens at most.

    None where that text is not at hand: an imported model comes without.
    """
    try:
        tokens = before.kept_back()
    except BardlingError:
        return None
    documents = known_documents(tokens, before.tokenizer)
    losses = [
        evaluate(
            run.model,
            tokens,
            batch_size=EVALUATION_BATCH,
            max_tokens=max_tokens if max_tokens < len(tokens) else None,
            documents=documents,
        )
        for run in (before, after)
    ]
    return Forgetting(
        corpus=before.config.data.corpus,
        before=losses[0].loss,
        after=losses[1].loss,
        tokens=losses[0].tokens,
    )
