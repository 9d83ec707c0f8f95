"""A student beside its teacher: how well they foretell, how large they are, how fast they write."""

import math
from dataclasses import dataclass

from bardling.beginning import read_teacher
from bardling.benchmarking.generation import writer
from bardling.benchmarking.timing import Spread, by_turns
from bardling.data.documents import known_documents
from bardling.evaluation.loss import evaluate
from bardling.model.size import count_parameters
from bardling.trained import EVALUATION_BATCH, Run

WRITTEN_TOKENS, ROUNDS = 200, 2
MAX_TOKENS = 200_000
"""Of the validation split, on which both are measured."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two."""

    loss: float
    """Nats per token."""
    parameters: int
    tokens_per_second: float
    """Writing one text of `WRITTEN_TOKENS` here, in float32."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both on the student's validation split, each in windows of its own context."""

    teacher: Side
    student: Side
    tokens: int
    """Of that split that were foretold."""

    @property
    def perplexity_ratio(self) -> float:
        """How many times as many tokens the student hesitates between."""
        return math.exp(self.student.loss - self.teacher.loss)

    @property
    def told(self) -> str:
        """Both, and their ratios, in three lines."""
        sides = {"teacher": self.teacher, "student": self.student}
        width = len(f"{max(side.parameters for side in sides.values()):,}")
        lines = [
            f"{name}  loss {side.loss:.4f}  perplexity {math.exp(min(side.loss, 700.0)):10,.3f}  "
            f"{side.parameters:{width},} parameters  {side.tokens_per_second:8,.0f} tokens/s"
            for name, side in sides.items()
        ]
        size = self.student.parameters / self.teacher.parameters
        speed = self.student.tokens_per_second / self.teacher.tokens_per_second
        lines.append(
            f"ratio    perplexity {self.perplexity_ratio:.3f}, parameters {size:.2f}, "
            f"speed {speed:.2f}"
        )
        return "\n".join(lines)


def compared(student: Run) -> Comparison:
    """Return a distilled run beside the teacher whose copy lies in its folder."""
    models = {"teacher": read_teacher(student.folder), "student": student.model}
    tokens = student.kept_back()
    documents = known_documents(tokens, student.tokenizer)
    found = {
        name: evaluate(
            model,
            tokens,
            batch_size=EVALUATION_BATCH,
            max_tokens=MAX_TOKENS if len(tokens) > MAX_TOKENS else None,
            documents=documents,
        )
        for name, model in models.items()
    }
    works = {
        name: writer(model, sequences=1, n_tokens=WRITTEN_TOKENS, form="fp32")
        for name, model in models.items()
    }
    speeds = by_turns(works, rounds=ROUNDS)
    sides = {
        name: Side(
            loss=found[name].loss,
            parameters=count_parameters(model.config).total,
            tokens_per_second=round(Spread.of(speeds[name]).median, 1),
        )
        for name, model in models.items()
    }
    return Comparison(**sides, tokens=found["student"].tokens)
