"""The report of a run: measured once more, compared, and written as a page into its folder."""

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from warnings import warn

from bardling import storage
from bardling.checkpoint import open_checkpoint
from bardling.data.documents import Documents, known_documents
from bardling.data.token_folder import SPLITS, open_split
from bardling.data.tokens import Tokens
from bardling.errors import CorpusError
from bardling.evaluation.diagnosis import Reading, diagnose
from bardling.evaluation.loss import evaluate
from bardling.evaluation.run_tokenizers import LEARN_BYTES, MEASURE_BYTES, compare_for_run
from bardling.evaluation.samples import sample_texts
from bardling.evaluation.standing import BIGRAM, FIT_TOKENS, LONG, Standing, Told, ngram_loss, told
from bardling.evaluation.tokenizers import Comparison
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters
from bardling.presets.command import training_command
from bardling.reporting.console import clock, count
from bardling.reporting.moments import Moments
from bardling.reporting.page import run_page, standing_rows
from bardling.reporting.past_its_best import past_its_best
from bardling.reporting.probe import look_inside
from bardling.run_folder import RunFolder, find_run, runs_folder
from bardling.text.tokenizer import Tokenizer

SAMPLES = 100
PLAIN_SAMPLES = 4
"""Texts where no grammar tells what is right: a few to look at."""
PLAIN_TOKENS = 400
EVALUATION_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found, and where the page is."""

    step: int
    standing: Standing
    samples: list[Told]
    by_grammar: bool
    """Whether the samples should be stories of the grammar."""
    path: Path
    tokenizers: Comparison | str | None
    """Tokenizers on the text of the run, or why they are not compared; None where not asked for."""
    moments: Moments | None
    """The best step and the last, where the loss had risen when the run ended."""

    @property
    def rows(self) -> list[tuple[str, float, str]]:
        """(name, loss, meaning) of all that is compared, from the worst to the best."""
        return standing_rows(self.standing)


def report(
    folder: str | Path,
    *,
    num_samples: int = SAMPLES,
    seed: int = 0,
    tokenizers: bool = True,
    probes: bool = False,
    note: Callable[[str], None] = warn,
) -> Report:
    """Measure the best step of a run, let it write, and leave `report.html` in its folder.

    `folder` is the run's path, or its name in ./runs; `tokenizers` compares some on the run's text,
    which takes seconds, and `probes` looks inside the model as `probe` does. `note` hears what
    should be known (a Python warning by default).
    """
    run = find_run(folder, runs_folder())
    checkpoint = open_checkpoint(run, "best", note)
    model, tokenizer = checkpoint.build_model(), checkpoint.tokenizer
    rows = [open_split(run.tokens_path, split, tokenizer) for split in SPLITS]
    train, val = rows[0], rows[1][:FIT_TOKENS]
    if len(val) < len(rows[1]):
        note(f"the report is on the first {FIT_TOKENS:,} of {len(rows[1]):,} validation tokens")
    documents = known_documents(val, tokenizer)
    if len(train) > FIT_TOKENS:
        note(f"counting reads {FIT_TOKENS:,} of the {len(train):,} training tokens")
    done = Report(
        step=checkpoint.state.step,
        standing=_standing(model, tokenizer, train, val, documents),
        samples=_samples(model, tokenizer, num_samples, seed, by_grammar=documents is not None),
        by_grammar=documents is not None,
        path=run.path / "report.html",
        tokenizers=_tokenizers(train, val, tokenizer) if tokenizers else None,
        moments=past_its_best(run, train, seed=seed, note=note),
    )
    page = run_page(
        name=run.name,
        facts=_facts(run, done.step, len(train)),
        metrics=run.metrics(),
        standing=done.standing,
        samples=done.samples,
        by_grammar=done.by_grammar,
        advice=_advice(run),
        readings=_readings(run),
        tokenizers=done.tokenizers,
        moments=done.moments,
        inside=look_inside(run, checkpoint, note=note)[1] if probes else (),
    )
    storage.write_text(done.path, page)
    return done


def first_page(folder: str | Path) -> Path:
    """Leave a page of what a run's own log says, which takes no measurement; return its path."""
    run = find_run(folder, runs_folder())
    result = run.result() or {}
    best = result.get("best", {})
    config = run.config()
    page = run_page(
        name=run.name,
        facts=_facts(run, best.get("step", 0), None),
        metrics=run.metrics(),
        standing=Standing(
            chance=math.log(config.model.vocab_size),
            model=best.get("val_loss") or math.inf,
            floor=best.get("val_floor"),
            bits_per_byte=best.get("val_bits_per_byte"),
        ),
        samples=[],
        by_grammar=False,
        advice=[
            (f"bardling report {shlex.quote(str(run.path))}", "measured: counting, tokenizers"),
            *_advice(run),
        ],
        readings=_readings(run),
    )
    path = run.path / "report.html"
    storage.write_text(path, page)
    return path


def _readings(run: RunFolder) -> list[Reading]:
    return diagnose(run.metrics(), still_falling_rate=run.config().training.schedule == "constant")


def _standing(
    model: GPT, tokenizer: Tokenizer, train: Tokens, val: Tokens, documents: Documents | None
) -> Standing:
    measured = evaluate(
        model,
        val,
        batch_size=EVALUATION_BATCH,
        documents=documents,
        token_sizes=tokenizer.token_sizes,
    )
    count_up_to = partial(
        ngram_loss,
        train[:FIT_TOKENS],
        val[:],
        vocab_size=tokenizer.vocab_size,
        end_token=tokenizer.end_token,
        by_document=documents is not None,
    )
    return Standing(
        chance=math.log(tokenizer.vocab_size),
        bigram=count_up_to(order=BIGRAM),
        ngram=count_up_to(order=LONG),
        model=measured.loss,
        floor=measured.floor,
        bits_per_byte=measured.bits_per_byte,
    )


def _samples(
    model: GPT, tokenizer: Tokenizer, num_samples: int, seed: int, *, by_grammar: bool
) -> list[Told]:
    """Let the model write whole stories, or a few pieces of text that nobody can check."""
    texts = sample_texts(
        model,
        tokenizer,
        n_tokens=model.config.block_size if by_grammar else PLAIN_TOKENS,
        num_samples=num_samples if by_grammar else min(num_samples, PLAIN_SAMPLES),
        seed=seed,
    )
    return told(texts) if by_grammar else [Told(text=t, end=len(t), reason=None) for t in texts]


def _tokenizers(train: Tokens, val: Tokens, tokenizer: Tokenizer) -> Comparison | str:
    """Compare tokenizers on the text of the run, or say why that cannot be."""
    try:
        return compare_for_run(train[:LEARN_BYTES], val[:MEASURE_BYTES], tokenizer)
    except CorpusError as error:
        return str(error)


def _facts(run: RunFolder, step: int, train_tokens: int | None) -> list[str]:
    config, result = run.config(), run.result()
    facts = [
        Path(config.data.corpus).name,
        f"{count(count_parameters(config.model).total)} parameters",
        f"step {step:,} of {config.total_steps:,}",
        f"{count(step * config.batch_tokens)} tokens"
        + ("" if train_tokens is None else f" of {count(train_tokens)}"),
    ]
    return facts + ([] if result is None else [f"{clock(result['seconds'])} of training"])


def _advice(run: RunFolder) -> list[tuple[str, str]]:
    """Return commands that go on from here."""
    name, corpus = shlex.quote(str(run.path)), shlex.quote(run.config().data.corpus)
    return [
        (training_command(run.config()), "this run again"),
        (f"bardling generate {name} --temperature 0.5 0.8 1.1", "the same draws, bolder or wilder"),
        (f"bardling train {corpus} --budget 10m", "more time, a larger model"),
        (
            f"bardling train {corpus} --model.attention none --budget 1m",
            "no token sees another: what does attention do here?",
        ),
        (
            f"bardling train {corpus} --model.position none --budget 1m",
            "no token knows its place: how much is lost?",
        ),
        ("bardling train my-novel.txt --budget 5m", "a text of your own"),
    ]
