"""A run that went on past its best: its best and its last step write, by the same draws.

Only the weights differ (seed 003, days 22 and 28). What reading would tell is measured too: a model
that has begun to learn its text by heart copies.
"""

from collections.abc import Callable

from bardling.checkpoint import Checkpoint, open_checkpoint
from bardling.data.tokens import Tokens
from bardling.evaluation.diagnosis import RISEN
from bardling.evaluation.samples import sample_texts
from bardling.evaluation.writing import measure_writing, read_again
from bardling.reporting.moments import Moment, Moments
from bardling.run_folder import RunFolder

MEASURED_SAMPLES = 4
"""Texts that are measured, of which the first is shown."""
SAMPLE_TOKENS = 400


def past_its_best(
    run: RunFolder, train: Tokens, *, seed: int, note: Callable[[str], None]
) -> Moments | None:
    """Let the best and the last step of a run write.

    Returns None where the loss had not risen when the run ended, it has not ended, or one of the
    two is not there any more, of which `note` hears.
    """
    result = run.result()
    losses = [result[which]["val_loss"] for which in ("best", "last")] if result else []
    if result is None or None in losses or losses[1] - losses[0] <= RISEN:
        return None
    best, last = (open_checkpoint(run, which, note) for which in ("best", "last"))
    if (best.state.step, last.state.step) != (result["best"]["step"], result["last"]["step"]):
        note("the best and the last step are not compared: one of them is not there any more")
        return None
    training = read_again(train, best.tokenizer)
    return (
        _moment(best, losses[0], training, seed=seed),
        _moment(last, losses[1], training, seed=seed),
    )


def _moment(checkpoint: Checkpoint, val_loss: float, training: str, *, seed: int) -> Moment:
    model, tokenizer = checkpoint.build_model(), checkpoint.tokenizer
    texts = sample_texts(
        model, tokenizer, n_tokens=SAMPLE_TOKENS, num_samples=MEASURED_SAMPLES, seed=seed
    )
    return Moment(
        step=checkpoint.state.step,
        val_loss=val_loss,
        text=texts[0],
        writing=measure_writing(texts, training),
    )
