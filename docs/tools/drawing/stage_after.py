"""Pictures of pages 15 to 17 and of rewards.md: sizes, adapters, teachers, preferences, slots."""

import json
import math
from collections import deque
from pathlib import Path

import torch

from drawing.axes import COLOURS, Axes, labelled
from drawing.canvas import Canvas, Colour
from drawing.gallery import picture

ROOT = Path(__file__).parents[3]


@picture("15-sizes")
def sizes_at_budgets() -> str:
    """Draw the fitted loss over sizes, a curve for each amount of computing, and the runs."""
    found = json.loads((ROOT / "results/experiments/scale-stories-60000.json").read_text("utf-8"))
    canvas = Canvas(350, "Loss over size at fixed amounts of computing: each has a best size")
    axes = Axes(
        canvas=canvas,
        corner=(60, 50),
        size=(560, 240),
        x=(20000.0, 30000000.0),
        y=(0.5, 3.4),
        log_x=True,
    )
    axes.frame(
        "weights that multiply",
        "nats per token",
        x_ticks=(100000.0, 1000000.0, 10000000.0),
        y_ticks=(1, 2, 3),
        show=_short,
    )
    law, floor = found["law_at_floor"], found["floor"]

    def loss(size: float, tokens: float) -> float:
        of_size = law["of_size"] / size ** law["size_power"]
        of_data = law["of_data"] / tokens ** law["data_power"]
        return float(law["irreducible"] + of_size + of_data)

    for row in found["rows"]:
        one = row["outcomes"][0]
        canvas.dot(*axes.at(one["weights"], one["last"]), 3, colour="soft")
    grid = [20000.0 * 1.06**k for k in range(126)]
    for colour, flops in zip(
        COLOURS, (3000000000000.0, 30000000000000.0, 300000000000000.0), strict=False
    ):
        curve = [(n, loss(n, flops / 6 / n)) for n in grid]
        axes.curve([pair for pair in curve if pair[1] < 3.4], colour)
        best = min(curve, key=lambda pair: pair[1])
        canvas.dot(*axes.at(*best), 5, colour=colour)
        power = int(math.log10(flops / 3))
        canvas.text(
            axes.at(*best)[0],
            axes.at(*best)[1] - 11,
            f"{flops / 6 / best[0] / 1000000.0:.2g}M tokens",
            colour=colour,
            size=11,
        )
        canvas.text(
            640,
            70 + 22 * (power - 12),
            f"3·10{_up(power)} operations",
            colour=colour,
            size=12,
            anchor="start",
        )
    canvas.path(
        [axes.at(20000.0, floor), axes.at(30000000.0, floor)], colour="ink", width=1, dashed=True
    )
    canvas.text(
        628, axes.at(30000000.0, floor)[1] + 4, "floor", colour="ink", size=12, anchor="start"
    )
    canvas.text(628, 180, "grey: the runs", colour="soft", size=12, anchor="start")
    return str(canvas)


def _short(value: float) -> str:
    return (
        f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value > 9 else f"{value:g}"
    )


def _up(number: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))


@picture("16-lora")
def lora() -> str:
    """Draw a frozen matrix with two thin ones beside it."""
    canvas = Canvas(300, "LoRA: a frozen matrix, and two thin trained ones beside it")
    canvas.box(250, 70, 150, 150, colour="soft", strength=0.15)
    canvas.text(325, 140, "W", bold=True, size=18)
    canvas.text(325, 160, "frozen", colour="soft", size=12)
    canvas.text(325, 56, "width in", colour="soft", size=11)
    canvas.box(470, 70, 22, 150, colour="blue", strength=0.35)
    canvas.text(481, 150, "B", bold=True)
    canvas.box(510, 70, 150, 22, colour="orange", strength=0.35)
    canvas.text(585, 86, "A", bold=True)
    canvas.text(435, 152, "+", size=24)
    canvas.text(585, 115, "drawn at random", colour="soft", size=12)
    canvas.text(505, 215, "zero at first", colour="soft", size=12, anchor="start")
    canvas.text(585, 62, "rank rows", colour="soft", size=11)
    canvas.text(481, 62, "rank", colour="soft", size=11)
    canvas.text(150, 135, "x", bold=True, size=18)
    canvas.arrow((165, 130), (244, 130))
    canvas.text(
        380,
        262,
        "W x + (alpha / rank) · B A x: at step 0 the model is the one it was",
        colour="ink",
    )
    canvas.text(
        380, 284, "merged after training: one matrix again, no slower", colour="soft", size=12
    )
    return str(canvas)


@picture("16-softened")
def softened() -> str:
    """Draw what a student hears from the text, and from a teacher at two temperatures."""
    canvas = Canvas(260, "One next token: as the text has it, and as a teacher sees it")
    logits = torch.tensor([5.0, 3.2, 2.6, 0.5, -1.0])
    ways = (
        ("the text", torch.tensor([1.0, 0, 0, 0, 0])),
        ("the teacher", logits.softmax(0)),
        ("the teacher at T = 4", (logits / 4).softmax(0)),
    )
    for i, (name, shares) in enumerate(ways):
        left = 60 + 245 * i
        for k, share in enumerate(shares.tolist()):
            height = max(1.0, 150 * share)
            canvas.box(
                left + 33 * k,
                200 - height,
                27,
                height,
                colour=COLOURS[i],
                radius=2,
                strength=0.75,
                edge=False,
            )
            canvas.text(left + 33 * k + 13, 194 - height, f"{share:.2f}", colour="soft", size=10)
            canvas.text(
                left + 33 * k + 13,
                217,
                ("owl", "hen", "cat", "hat", "of")[k],
                colour="soft",
                size=11,
            )
        canvas.text(left + 80, 26, name, bold=True)
    canvas.text(
        380,
        246,
        "which wrong answers are nearly right, the text does not say",
        colour="soft",
        size=12,
    )
    return str(canvas)


@picture("16-preference")
def preference() -> str:
    """Draw DPO's loss of a pair over how far the model has moved from its reference."""
    canvas = Canvas(300, "DPO: the loss of a pair over its margin, for two betas")
    axes = Axes(canvas=canvas, corner=(60, 45), size=(420, 195), x=(-12, 12), y=(0, 2.2))
    axes.frame(
        "nats by which the chosen answer has gained on the rejected one",
        "loss of the pair",
        x_ticks=(-10, -5, 0, 5, 10),
        y_ticks=(0, 1, 2),
    )
    betas: tuple[tuple[Colour, float], ...] = (("blue", 0.1), ("orange", 0.5))
    for colour, beta in betas:
        steps = [k / 5 for k in range(-60, 61)]
        pairs = [(x, math.log1p(math.exp(-beta * x))) for x in steps]
        axes.curve([pair for pair in pairs if pair[1] <= 2.2], colour)
    start = axes.at(0, math.log(2))
    canvas.dot(*start, 5, colour="ink")
    canvas.text(
        start[0] + 10, start[1] - 10, "begins here: ln 2", colour="ink", size=12, anchor="start"
    )
    says = (
        ("beta 0.1", "small: the model may go far"),
        ("beta 0.5", "large: a little is enough,", "and more gains nothing"),
    )
    for i, lines in enumerate(says):
        top = 80 + 65 * i
        canvas.text(510, top, lines[0], colour=COLOURS[i], anchor="start", bold=True)
        canvas.lines(510, top + 20, lines[1:], colour=COLOURS[i], step=20, size=14)
    return str(canvas)


@picture("17-batching")
def batching() -> str:
    """Draw texts that share four slots, in lots and continuously."""
    canvas = Canvas(320, "Texts of different lengths in four slots: in lots, and continuously")
    lengths = (12, 3, 6, 2, 8, 4, 3, 7, 5, 2)
    for part, (name, places) in enumerate(
        (
            ("in lots: all wait for the longest", _lots(lengths)),
            ("continuous: the next one joins between tokens", _joined(lengths)),
        )
    ):
        top = 45 + 140 * part
        end = max((start + length for _, start, length in places))
        canvas.text(60, top - 12, name, bold=True, anchor="start")
        canvas.text(
            740,
            top - 12,
            f"{end} turns for {sum(lengths)} tokens",
            colour="soft",
            size=12,
            anchor="end",
        )
        for slot in range(4):
            canvas.text(
                46, top + 17 + 26 * slot, f"{slot + 1}", colour="soft", size=11, anchor="end"
            )
            canvas.path(
                [(56, top + 25 + 26 * slot), (740, top + 25 + 26 * slot)], colour="soft", width=0.5
            )
        for i, (slot, start, length) in enumerate(places):
            canvas.box(
                58 + 25 * start,
                top + 3 + 26 * slot,
                25 * length - 3,
                20,
                colour=COLOURS[i % 5],
                strength=0.4,
            )
            canvas.text(
                58 + 25 * start + 12 * length, top + 18 + 26 * slot, "abcdefghij"[i], size=12
            )
    canvas.text(
        400,
        306,
        "one column is one turn: a token for every text that is being written",
        colour="soft",
        size=12,
    )
    return str(canvas)


def _lots(lengths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    places, now = ([], 0)
    for first in range(0, len(lengths), 4):
        lot = lengths[first : first + 4]
        places += [(slot, now, length) for slot, length in enumerate(lot)]
        now += max(lot)
    return places


def _joined(lengths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    free, places, waiting = ([0, 0, 0, 0], [], deque(lengths))
    while waiting:
        slot = min(range(4), key=lambda one: free[one])
        length = waiting.popleft()
        places.append((slot, free[slot], length))
        free[slot] += length
    return places


@picture("rewards")
def rewards() -> str:
    """Draw the parts of PPO from human feedback beside those of DPO."""
    canvas = Canvas(330, "What trains what in RLHF with PPO, and in DPO")
    canvas.text(20, 28, "RLHF with PPO", bold=True, anchor="start")
    labelled(canvas, 20, 45, 110, 50, ("pairs", "people choose"), colour="teal")
    canvas.arrow((132, 70), (172, 70))
    labelled(canvas, 176, 45, 130, 50, ("reward model", "trained first"), colour="orange")
    canvas.arrow((308, 70), (392, 70))
    canvas.text(350, 60, "scores", colour="soft", size=11)
    labelled(canvas, 396, 45, 150, 50, ("policy", "the model that learns"), colour="blue")
    labelled(canvas, 590, 45, 150, 50, ("value model", "what was expected"), colour="orange")
    canvas.arrow((588, 70), (550, 70))
    labelled(canvas, 396, 125, 150, 50, ("reference", "keeps it near"), colour="soft")
    canvas.arrow((471, 123), (471, 99))
    canvas.path([(440, 97), (440, 110), (240, 110)], colour="blue")
    canvas.arrow((240, 110), (240, 98), colour="blue")
    canvas.text(300, 126, "writes, and is judged", colour="blue", size=11)
    canvas.text(20, 222, "DPO", bold=True, anchor="start")
    labelled(canvas, 20, 240, 110, 50, ("pairs", "people choose"), colour="teal")
    canvas.arrow((132, 265), (392, 265))
    canvas.text(262, 257, "one loss, as in any training", colour="soft", size=11)
    labelled(canvas, 396, 240, 150, 50, ("policy", "the model that learns"), colour="blue")
    labelled(canvas, 590, 240, 150, 50, ("reference", "a frozen copy"), colour="soft")
    canvas.arrow((588, 265), (550, 265))
    canvas.text(
        20,
        316,
        "nothing is written during training; the reward is the policy's own log odds",
        colour="soft",
        size=12,
        anchor="start",
    )
    return str(canvas)
