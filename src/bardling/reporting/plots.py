"""Curves in a terminal, drawn with block characters. No torch here."""

from collections.abc import Sequence

from bardling.training.config import TrainingConfig
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step

EIGHTHS = " ▁▂▃▄▅▆▇█"


def area(values: Sequence[float], height: int, top: float) -> list[str]:
    """Return `height` lines of text that show `values`, from 0 to `top`, as an area."""
    top = top or 1.0
    eighths = [round(max(0.0, value) / top * height * 8) for value in values]
    return [
        "".join(EIGHTHS[min(8, max(0, e - 8 * row))] for e in eighths).rstrip()
        for row in reversed(range(height))
    ]


def schedule_plot(
    config: TrainingConfig, lr: float, total_steps: int, *, width: int = 64, height: int = 9
) -> str:
    """Return a drawing of the learning rate over a run of `total_steps`."""
    last, plan = total_steps - 1, Plan(total_steps=total_steps)
    steps = [round(column * last / (width - 1)) for column in range(width)]
    rates = [lr * lr_fraction_of_step(config, step, plan) for step in steps]
    lines = area(rates, height, top=lr)
    labels = [f"{lr:.3g}"] + [""] * (height - 2) + ["0"]
    drawn = [f"{label:>9} │{line}" for label, line in zip(labels, lines, strict=True)]
    axis = f"{'':>9} └{'─' * width}"
    ends = f"{'':>10} step 1{f'step {total_steps:,}':>{width - 6}}"
    title = (
        f"{config.schedule}, warm-up over {config.warmup_fraction:.0%} of the run, "
        f"first step {rates[0]:.3g}, last step {rates[-1]:.3g}"
    )
    return "\n".join([title, "", *drawn, axis, ends])
