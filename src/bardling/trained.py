"""A trained model with everything that belongs to it, and how it comes out of its folder."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import warn

from bardling import storage
from bardling.checkpoint import load_checkpoint, open_checkpoint
from bardling.config import RunConfig
from bardling.data.batches import Counted
from bardling.data.documents import Documents, known_documents
from bardling.data.token_folder import SPLITS, open_split
from bardling.data.tokens import Tokens
from bardling.errors import UsageError
from bardling.evaluation.estimate import Estimate, estimate_loss
from bardling.evaluation.harness import Figure, measure
from bardling.evaluation.loss import Evaluation, evaluate
from bardling.evaluation.standing import told
from bardling.evaluation.writing import Writing, measure_writing, read_again
from bardling.generation.sampling import choose_strategy
from bardling.generation.text import Prompt, generate_texts, read_prompt, stream_texts
from bardling.kernels.weights import WeightForm
from bardling.lesson import measured_on
from bardling.model.gpt import GPT
from bardling.run_folder import RunFolder, find_run, runs_folder
from bardling.seen import counted_for
from bardling.text.tokenizer import Tokenizer, Unknown
from bardling.training.task import Preference

EVALUATION_BATCH = 32  # windows at once
"""Of the training text, what samples are compared with at most."""

Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trained model with everything that belongs to it."""

    folder: RunFolder
    step: int
    """The checkpoint that `model` comes from."""
    config: RunConfig
    model: GPT
    tokenizer: Tokenizer
    weights: WeightForm = "fp32"
    """The form in which generation reads the weights of the model."""
    n_draft: int = 0
    """Tokens that are guessed and read at once where one text is written; 0 guesses none."""

    def metrics(self) -> list[dict[str, Any]]:
        """Return the run's log, one record a line of metrics.jsonl."""
        return self.folder.metrics()

    def prompt(self, text: str) -> Prompt:
        """Return `text` as this model can see it, with warnings about what it cannot.

        A model that has only read from the beginnings of documents on reads it as one: after an end
        token, without which it has never foretold anything.
        """
        begins = self.config.data.order == "documents"
        return read_prompt(text, self.tokenizer, self.config.model.block_size, begins=begins)

    def generate(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        beams: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> str:
        """Return a continuation of `prompt`, without the prompt itself.

        Temperature 0 is greedy, top-k 0 is off, beams 0 is no beam search. The text ends at the
        end token, before any of the `stop` strings, or after `max_new_tokens`.
        """
        return self.samples(
            prompt,
            1,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            beams=beams,
            seed=seed,
            stop=stop,
        )[0]

    def samples(
        self,
        prompt: str,
        num_samples: int,
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        beams: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> list[str]:
        """Return several continuations, computed as one batch; sample i draws from seed + i.

        With beams they are the best hypotheses, the likeliest first.
        """
        return generate_texts(
            self.model,
            self.tokenizer,
            self.prompt(prompt),
            choose_strategy(temperature=temperature, top_k=top_k, top_p=top_p, beams=beams),
            max_new_tokens=max_new_tokens,
            num_samples=num_samples,
            seed=seed,
            stop=stop,
            weights=self.weights,
            n_draft=self.n_draft,
        )

    def stream(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Yield what `generate` returns, piece by piece as it is written."""
        pieces = stream_texts(
            self.model,
            self.tokenizer,
            self.prompt(prompt),
            choose_strategy(temperature=temperature, top_k=top_k, top_p=top_p),
            max_new_tokens=max_new_tokens,
            seed=seed,
            stop=stop,
            weights=self.weights,
            n_draft=self.n_draft,
        )
        return (piece for _, piece in pieces)

    def evaluate(self, text: str, *, unknown: Unknown = "error") -> Evaluation:
        """Return the loss on any text, by the protocol of every loss here.

        Characters that the tokenizer does not know are a `TokenizerError`, or left out with
        `unknown="skip"`.
        """
        return self._measure(self.tokenizer.encode_array(text, unknown=unknown))

    def kept_back(self) -> Tokens:
        """Return the tokens of the run's validation split; one that was imported has none."""
        if self.folder.is_imported():
            raise UsageError(
                f"{self.folder.name} was imported and has no text of its own: give one to measure "
                "it on"
            )
        return open_split(self.folder.tokens_path, "val", self.tokenizer)

    def validation_loss(self) -> Evaluation:
        """Return the loss on the run's whole validation split."""
        tokens = self.kept_back()
        if isinstance(self.config.task, Preference):
            raise UsageError(
                f"{self.folder.name} has learned preferences, which its log tells of; give a text "
                "to measure it on"
            )
        documents, counted = measured_on(self.config, tokens, self.tokenizer)
        return self._measure(tokens, documents, counted)

    def estimated_loss(self, *, batches: int = 200, seed: int = 0) -> Estimate:
        """Return the validation loss as random batches tell it, with its standard error."""
        if counted_for(self.config, self.tokenizer) is not None:
            raise UsageError("random batches estimate the loss of runs that foretell every token")
        tokens = self.kept_back()
        known = known_documents(tokens, self.tokenizer) is not None
        end = self.tokenizer.end_token if known else None
        return estimate_loss(self.model, tokens, batches=batches, seed=seed, end_token=end)

    def writing(
        self,
        num_samples: int = 20,
        *,
        max_new_tokens: int = 500,
        temperature: float = 0.8,
        seed: int = 0,
    ) -> Writing:
        """Let the model write from nothing, and measure what reading the samples would tell.

        They are compared with the beginning of the training text, up to two million characters.
        """
        splits = [open_split(self.folder.tokens_path, s, self.tokenizer) for s in SPLITS]
        texts = self.samples(
            "", num_samples, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed
        )
        stories = None
        if known_documents(splits[1], self.tokenizer) is not None:
            stories = sum(one.reason is None for one in told(texts)) / len(texts)
        training = read_again(splits[0], self.tokenizer)
        return measure_writing(texts, training, stories=stories)

    def harness(
        self, tasks: Sequence[str], *, limit: int | None = None, shots: int | None = None
    ) -> list[Figure]:
        """Return what lm-evaluation-harness finds; see `bardling.evaluation.harness.measure`."""
        return measure(self.model, self.tokenizer, tasks, limit=limit, shots=shots)

    def _measure(
        self,
        tokens: Tokens,
        documents: Documents | None = None,
        counted: Counted | None = None,
    ) -> Evaluation:
        windows = -(-len(tokens) // self.config.model.block_size)
        return evaluate(
            self.model,
            tokens,
            batch_size=min(EVALUATION_BATCH, max(1, windows)),
            documents=documents,
            token_sizes=self.tokenizer.token_sizes,
            counted=counted,
        )


def load(
    folder: str | Path,
    checkpoint: str = "best",
    *,
    weights: WeightForm = "fp32",
    n_draft: int = 0,
    note: Note = warn,
) -> Run:
    """Return the run in `folder` (a path, or a name in ./runs) at a checkpoint.

    `checkpoint` is `best`, `last` or a step; `folder` may be a checkpoint's own. When the best or
    the last is damaged, the next newest is used and `note` told (a Python warning by default).
    Generation reads the weights as `weights` says, where bf16 and int8 are quicker for large
    models, and `n_draft` guesses at once, which is quicker for texts that repeat themselves.
    Raises `CheckpointError` when there is none, or when a step that was named is damaged.
    """
    path = Path(folder)
    if storage.exists(path / storage.MANIFEST):
        run, loaded = RunFolder(path.absolute().parent.parent), load_checkpoint(path)
    else:
        run = find_run(folder, runs_folder())
        loaded = open_checkpoint(run, checkpoint, note)
    return Run(
        folder=run,
        step=loaded.state.step,
        config=loaded.config,
        model=loaded.build_model(),
        tokenizer=loaded.tokenizer,
        weights=weights,
        n_draft=n_draft,
    )
