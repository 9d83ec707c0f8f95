"""A model as lm-evaluation-harness asks it: how likely is this text after that one, what follows.

The tasks, their data, prompts and metrics are the library's own (Gao et al., "A framework for
few-shot language model evaluation"), so a figure can be laid beside those of other models. Here
are only the three questions that it has for a model, answered as it does for those of transformers:
a pair is encoded as one text and cut after the first part, and of what is longer than the context
the end is read.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bardling.errors import UsageError
from bardling.extras import optional
from bardling.generation.sampling import choose_strategy
from bardling.generation.text import generate_texts, read_prompt
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

TOKENS_AT_ONCE = 8192
MOST_NEW_TOKENS = 256
"""Of a continuation, where a task does not say; the library's own number for other models."""
Asked = tuple[list[int], list[int]]
"""What is read, and the tokens at its end that are to be foretold (one place further)."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric of one task."""

    task: str
    metric: str
    value: float
    error: float | None
    """The standard error that the library gives, where it has one."""
    examples: int


class Answers:
    """The three questions of the library's `LM`, of a model and its tokenizer.

    The likelihood of a text is that of the tokens that the tokenizer knows.
    """

    def __init__(self, model: GPT, tokenizer: Tokenizer) -> None:
        super().__init__()
        if model.config.attention == "unmasked":
            raise UsageError("a model whose tokens see the future foretells nothing")
        self.model, self.text = model, tokenizer
        self.context = model.config.block_size
        self.first = read_prompt("", tokenizer, self.context).ids

    def loglikelihood(self, requests: Sequence[Any], **_: Any) -> list[tuple[float, bool]]:
        """Return ln p of each second text after its first, and whether greedy choice writes it."""
        return self._foretell([self._pair(*request.args) for request in requests])

    def loglikelihood_rolling(self, requests: Sequence[Any], **_: Any) -> list[float]:
        """Return ln p of each whole text, every token once, the last window with full context."""
        found = []
        for request in requests:
            windows = list(self._windows(self._encode(request.args[0])))
            found.append(math.fsum(nats for nats, _ in self._foretell(windows)))
        return found

    def generate_until(self, requests: Sequence[Any], **_: Any) -> list[str]:
        """Return what the model writes after each text, up to one of the task's ends."""
        return [self._write(*request.args) for request in requests]

    def _encode(self, text: str) -> list[int]:
        return self.text.encode(text, unknown="skip")

    def _pair(self, before: str, after: str) -> Asked:
        """Cut both texts where the first ends; spaces between them belong to the second."""
        stem = before.rstrip()
        known = self._encode(stem)
        both = self._encode(before + after)
        start = len(known) if known else 0
        read = self.first + both if not known else both
        return read[-self.context - 1 : -1], both[start:][-self.context :]

    def _windows(self, ids: list[int]) -> list[Asked]:
        whole, size = self.first[-1:] + ids, self.context
        windows = []
        for start in range(0, len(ids), size):
            end = min(len(ids), start + size)
            windows.append((whole[max(0, end - size) : end], ids[start:end]))
        return windows

    @torch.no_grad()
    def _foretell(self, asked: Sequence[Asked]) -> list[tuple[float, bool]]:
        """Read long ones first, many at once, each padded to the longest of its batch."""
        order = sorted(range(len(asked)), key=lambda i: -len(asked[i][0]))
        found = [(0.0, True)] * len(asked)
        while order:
            rows = max(1, TOKENS_AT_ONCE // max(1, len(asked[order[0]][0])))
            batch, order = order[:rows], order[rows:]
            width = max(1, len(asked[batch[0]][0]))
            ids = torch.zeros(len(batch), width, dtype=torch.int64)
            for row, number in enumerate(batch):
                read = asked[number][0]
                ids[row, : len(read)] = torch.tensor(read)
            hidden = self.model.hidden(ids.to(self.model.device))
            for row, number in enumerate(batch):
                read, target = asked[number]
                if target:
                    logits = self.model.output(hidden[row, len(read) - len(target) : len(read)])
                    found[number] = _judge(logits, target)
        return found

    def _write(self, before: str, wishes: dict[str, Any]) -> str:
        until = wishes.get("until") or ()
        sampled = wishes.get("do_sample", False)
        strategy = choose_strategy(
            temperature=wishes.get("temperature", 1.0) if sampled else 0.0,
            top_k=wishes.get("top_k", 0),
            top_p=wishes.get("top_p", 1.0),
        )
        return generate_texts(
            self.model,
            self.text,
            read_prompt(before, self.text, self.context),
            strategy,
            max_new_tokens=int(wishes.get("max_gen_toks", MOST_NEW_TOKENS)),
            stop=[until] if isinstance(until, str) else list(until),
        )[0]


def _judge(logits: torch.Tensor, target: list[int]) -> tuple[float, bool]:
    """Return ln p of tokens, and whether each is the likeliest."""
    wanted = torch.tensor(target, device=logits.device)
    nats = logits.double().log_softmax(dim=-1).gather(1, wanted[:, None])
    return float(nats.sum()), bool((logits.argmax(dim=-1) == wanted).all())


def measure(
    model: GPT,
    tokenizer: Tokenizer,
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    shots: int | None = None,
) -> list[Figure]:
    """Return every figure of some tasks: names that the library knows, or .yaml files of one.

    `limit` takes the first so many examples of each, `shots` puts so many solved ones before each.
    A file of a task is read as the library reads it, which may run code that it names. Raises
    `UsageError` for a task that is not there, or whose data cannot be had.
    """
    library = optional("lm_eval", "compare", "evaluate --harness")
    base = optional("lm_eval.api.model", "compare", "evaluate --harness").LM
    speaker = type("BardlingModel", (Answers, base), {})(model, tokenizer)
    try:
        manager = _manager(tasks)
        told = library.simple_evaluate(
            model=speaker,
            tasks=[_name(task, manager) for task in tasks],
            task_manager=manager,
            limit=limit,
            num_fewshot=shots,
            log_samples=False,
        )
    except OSError as error:  # what datasets raises where there is no network is one
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"the data of {', '.join(tasks)} cannot be had: {first}") from error
    return list(_figures(told))


def _manager(tasks: Sequence[str]) -> Any:
    """Return the library's register of tasks, which looks beside each file too."""
    folders = {str(Path(task).absolute().parent) for task in tasks if _is_file(task)}
    module = optional("lm_eval.tasks", "compare", "evaluate --harness")
    return module.TaskManager(include_path=sorted(folders) or None)


def _is_file(task: str) -> bool:
    return task.endswith((".yaml", ".yml"))


def _name(task: str, manager: Any) -> str:
    """Return the name of a task that is registered, be it given by its file."""
    name = Path(task).stem if _is_file(task) else task
    if name not in manager.all_tasks:
        where = "; a file has to be called as its task" if _is_file(task) else ""
        raise UsageError(f"lm-evaluation-harness knows no task {name!r}{where}")
    return name


def _figures(told: dict[str, Any]) -> Iterator[Figure]:
    """Take out of the library's tables what is a number."""
    for task, values in told["results"].items():
        examples = told.get("n-samples", {}).get(task, {}).get("effective", 0)
        for key, value in values.items():
            metric, _, variant = key.partition(",")
            if metric.endswith("_stderr") or not isinstance(value, float | int) or not variant:
                continue
            error = values.get(f"{metric}_stderr,{variant}")
            yield Figure(
                task=task,
                metric=metric if variant == "none" else f"{metric} ({variant})",
                value=float(value),
                error=float(error) if isinstance(error, float) else None,
                examples=int(examples),
            )
