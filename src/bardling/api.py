"""The verbs as functions: `train`, `load`, and what can be done with a `Run`.

    import bardling

    run = bardling.train("shakespeare", budget="500steps", n_layer=2)
    print(run.generate("ROMEO:", temperature=0.8))

The command line calls these; there is nothing it can do that Python cannot.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import warn

from bardling import __version__, storage
from bardling.checkpoint import load_checkpoint, open_checkpoint
from bardling.config import RunConfig, difference
from bardling.data.corpora import find_shakespeare
from bardling.data.documents import Documents, known_documents
from bardling.data.known import cache_folder, data_folder
from bardling.data.token_folder import open_split
from bardling.data.tokens import Tokens
from bardling.errors import BardlingError, UsageError
from bardling.evaluation.loss import Evaluation, evaluate
from bardling.generation.sampling import choose_strategy
from bardling.generation.text import Prompt, generate_texts, read_prompt, stream_texts
from bardling.machine.facts import MachineFacts
from bardling.machine.measure import SECONDS
from bardling.machine.report import gather
from bardling.model.gpt import GPT
from bardling.presets import config_for
from bardling.reporting.watcher import Watcher
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder, find_run, list_runs, new_run, runs_folder
from bardling.text.tokenizer import Tokenizer, Unknown
from bardling.text.tokenizer_file import is_built_in

EVALUATION_BATCH = 32  # windows at once

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

    def metrics(self) -> list[dict[str, Any]]:
        """Return the run's log, one record a line of metrics.jsonl."""
        return self.folder.metrics()

    def prompt(self, text: str) -> Prompt:
        """Return `text` as this model can see it, with warnings about what it cannot."""
        return read_prompt(text, self.tokenizer, self.config.model.block_size)

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
        )
        return (piece for _, piece in pieces)

    def evaluate(self, text: str, *, unknown: Unknown = "error") -> Evaluation:
        """Return the loss on any text, by the protocol of every loss here.

        Characters that the tokenizer does not know are a `TokenizerError`, or left out with
        `unknown="skip"`.
        """
        return self._measure(self.tokenizer.encode_array(text, unknown=unknown))

    def validation_loss(self) -> Evaluation:
        """Return the loss on the run's whole validation split."""
        tokens = open_split(self.folder.tokens_path, "val", self.tokenizer)
        return self._measure(tokens, known_documents(tokens, self.tokenizer))

    def _measure(self, tokens: Tokens, documents: Documents | None = None) -> Evaluation:
        windows = -(-len(tokens) // self.config.model.block_size)
        size, sizes = min(EVALUATION_BATCH, max(1, windows)), self.tokenizer.token_sizes
        return evaluate(self.model, tokens, batch_size=size, documents=documents, token_sizes=sizes)


def load(folder: str | Path, checkpoint: str = "best", *, note: Note = warn) -> Run:
    """Return the run in `folder` (a path, or a name in ./runs) at a checkpoint.

    `checkpoint` is `best`, `last` or a step; `folder` may be a checkpoint's own. When the best or
    the last is damaged, the next newest is used and `note` told (a Python warning by default).
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
    )


def train(
    corpus: str | Path = "shakespeare",
    *,
    budget: str | None = None,
    name: str | None = None,
    resume: str | Path | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    **overrides: Any,
) -> Run:
    """Train a model on a corpus, a text file, a folder, or by a preset, and return its best step.

    `overrides` are settings by their own names, such as `n_layer=2`, `lr=3e-4` or
    `batch_size=64`. `resume` names a run to go on with, or is `auto`: go on where there is
    something to go on with, begin where there is not. `watcher` hears how it goes; nobody does
    by default.
    """
    if budget is not None:
        overrides["budget"] = budget
    config = config_for(str(corpus), overrides.get("budget")).with_overrides(**overrides)
    return train_config(
        config, name=name, resume=resume, runs_dir=runs_dir, data_dir=data_dir, watcher=watcher
    )


def train_config(
    config: RunConfig | None,
    *,
    name: str | None = None,
    resume: str | Path | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    began: float | None = None,
) -> Run:
    """Train by a whole `RunConfig`; None takes that of the run to resume.

    `began`, by `time.perf_counter`, is when the time of a budget such as 5m began to run.
    """
    began = time.perf_counter() if began is None else began
    folder = runs_folder(None if runs_dir is None else Path(runs_dir))
    config = None if config is None else _with_tokenizer_path(config, folder)
    known = _run_to_resume(resume, name, config, folder)
    with watcher or Watcher() as ears:
        if known is not None:
            _same_settings(config, known)
            wishes = None if config is None else config.machine
            resume_run(known, ears, wishes=wishes, began=began)
            return load(known.path, note=ears.note)
        if config is None:
            raise UsageError("there is nothing to resume, and no corpus or preset to begin with")
        run = new_run(name, config.data.corpus, folder)
        text_folder = None if data_dir is None else Path(data_dir)
        start_run(config, run, data_dir=text_folder, watcher=ears, began=began)
        return load(run.path)


def doctor(*, runs_dir: str | Path | None = None, seconds: float = SECONDS) -> MachineFacts:
    """Return what this machine can do and what a run would use of it; `advice` says what is off.

    About `seconds` are taken for each of four measurements.
    """
    return gather(
        version=__version__,
        runs=runs_folder(None if runs_dir is None else Path(runs_dir)),
        data=data_folder(),
        cache=cache_folder(),
        shakespeare=find_shakespeare(),
        seconds=seconds,
    )


def _run_to_resume(
    resume: str | Path | None, name: str | None, config: RunConfig | None, folder: Path
) -> RunFolder | None:
    """Return the run that `--resume` means, or None for a new one."""
    if resume is None:
        return None
    if str(resume) != "auto":
        return find_run(resume, folder)
    if name is not None:
        named = RunFolder(folder / name)
        return named if named.is_run() else None
    return next((run for run in reversed(list_runs(folder)) if _goes_on(run, config)), None)


def _goes_on(run: RunFolder, config: RunConfig | None) -> bool:
    """Tell whether `run` has not ended and is the one that `config` describes."""
    try:
        return run.result() is None and (config is None or difference(config, run.config()) is None)
    except BardlingError:  # damaged: not the run that anyone means by auto
        return False


def _with_tokenizer_path(config: RunConfig, folder: Path) -> RunConfig:
    """Let `tokenizer` be the name of a run in `folder`."""
    word = config.data.tokenizer
    path = folder / word
    if is_built_in(word) or storage.exists(Path(word)) or not storage.exists(path / "config.json"):
        return config
    return config.with_overrides(tokenizer=str(path))


def _same_settings(config: RunConfig | None, run: RunFolder) -> None:
    """Refuse to go on with a run by other settings than its own."""
    own = run.known_config()
    if config is None or own is None:  # what is lost is brought back when the run goes on
        return
    changed = difference(config, own)
    if changed is not None:
        raise UsageError(
            f"a resumed run keeps its settings, but {changed} ({run.path}); "
            "leave the option away, or start a new run under another --name"
        )
