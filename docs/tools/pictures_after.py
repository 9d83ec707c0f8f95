"""Draw the pictures of the course's pages 15 to 17 and of rewards.md.

`pictures_training.py` writes them together with its own.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from drawing import COLOURS, INK, SOFT, Axes, Canvas


def sizes_at_budgets(found: dict[str, Any]) -> Canvas:
    """Draw the fitted loss over sizes, a curve for each amount of computing, and the runs."""
    canvas = Canvas(760, 350, "Loss over size at fixed amounts of computing: each has a best size")
    axes = Axes(
        canvas=canvas, corner=(60, 50), size=(560, 240), x=(2e4, 3e7), y=(0.5, 3.4), log_x=True
    )
    axes.frame(
        "weights that multiply", "nats per token", x_ticks=(1e5, 1e6, 1e7), y_ticks=(1, 2, 3),
        show=lambda v: f"{v / 1e6:g}M" if v >= 1e6 else (f"{v / 1e3:g}k" if v >= 1e3 else f"{v:g}"),
    )  # fmt: skip
    law = found["law_at_floor"]

    def loss(size: float, tokens: float) -> float:
        of_size = law["of_size"] / size ** law["size_power"]
        return law["irreducible"] + of_size + law["of_data"] / tokens ** law["data_power"]

    for row in found["rows"]:
        one = row["outcomes"][0]
        canvas.dot(axes.at(one["weights"], one["last"]), SOFT, radius=3)
    grid = [2e4 * 1.06**k for k in range(126)]
    for colour, flops in zip(COLOURS, (3e12, 3e13, 3e14), strict=False):
        curve = [(n, loss(n, flops / 6 / n)) for n in grid]
        axes.curve([pair for pair in curve if pair[1] < 3.4], colour)
        best = min(curve, key=lambda pair: pair[1])
        canvas.dot(axes.at(*best), colour, radius=5)
        power = int(math.log10(flops / 3))
        canvas.words(
            (axes.at(*best)[0], axes.at(*best)[1] - 11), f"{flops / 6 / best[0] / 1e6:.2g}M tokens",
            colour, size=11,
        )  # fmt: skip
        canvas.words(
            (640, 70 + 22 * (power - 12)),
            f"3·10{_up(power)} operations",
            colour,
            size=12,
            anchor="start",
        )
    floor = found["floor"]
    canvas.line([axes.at(2e4, floor), axes.at(3e7, floor)], INK, width=1, dash="5 4")
    canvas.words((628, axes.at(3e7, floor)[1] + 4), "floor", INK, size=12, anchor="start")
    canvas.words((628, 180), "grey: the runs", SOFT, size=12, anchor="start")
    return canvas


def _up(number: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))


def lora() -> Canvas:
    """Draw a frozen matrix with two thin ones beside it."""
    canvas = Canvas(760, 300, "LoRA: a frozen matrix, and two thin trained ones beside it")
    canvas.box((250, 70), (150, 150), SOFT, fill=0.15)
    canvas.words((325, 140), "W", bold=True, size=18)
    canvas.words((325, 160), "frozen", SOFT, size=12)
    canvas.words((325, 56), "width in", SOFT, size=11)
    canvas.box((470, 70), (22, 150), "blue", fill=0.35)
    canvas.words((481, 150), "B", bold=True)
    canvas.box((510, 70), (150, 22), "orange", fill=0.35)
    canvas.words((585, 86), "A", bold=True)
    canvas.words((435, 152), "+", size=24)
    canvas.words((585, 115), "drawn at random", SOFT, size=12)
    canvas.words((505, 215), "zero at first", SOFT, size=12, anchor="start")
    canvas.words((585, 62), "rank rows", SOFT, size=11)
    canvas.words((481, 62), "rank", SOFT, size=11)
    canvas.words((150, 135), "x", bold=True, size=18)
    canvas.arrow((165, 130), (244, 130))
    canvas.words(
        (380, 262), "W x + (alpha / rank) · B A x: at step 0 the model is the one it was", INK
    )
    canvas.words((380, 284), "merged after training: one matrix again, no slower", SOFT, size=12)
    return canvas


def softened() -> Canvas:
    """Draw what a student hears from the text, and from a teacher at two temperatures."""
    canvas = Canvas(760, 260, "One next token: as the text has it, and as a teacher sees it")
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
                (left + 33 * k, 200 - height),
                (27, height),
                COLOURS[i],
                fill=0.75,
                stroke=False,
                radius=2,
            )
            canvas.words((left + 33 * k + 13, 194 - height), f"{share:.2f}", SOFT, size=10)
            canvas.words(
                (left + 33 * k + 13, 217), ("owl", "hen", "cat", "hat", "of")[k], SOFT, size=11
            )
        canvas.words((left + 80, 26), name, bold=True)
    canvas.words(
        (380, 246),
        "which wrong answers are nearly right, the text does not say",
        SOFT,
        size=12,
    )
    return canvas


def preference() -> Canvas:
    """Draw DPO's loss of a pair over how far the model has moved from its reference."""
    canvas = Canvas(760, 300, "DPO: the loss of a pair over its margin, for two betas")
    axes = Axes(canvas=canvas, corner=(60, 45), size=(420, 195), x=(-12, 12), y=(0, 2.2))
    axes.frame(
        "nats by which the chosen answer has gained on the rejected one", "loss of the pair",
        x_ticks=(-10, -5, 0, 5, 10), y_ticks=(0, 1, 2),
    )  # fmt: skip
    for colour, beta in (("blue", 0.1), ("orange", 0.5)):
        steps = [k / 5 for k in range(-60, 61)]
        pairs = [(x, math.log1p(math.exp(-beta * x))) for x in steps]
        axes.curve([pair for pair in pairs if pair[1] <= 2.2], colour)
    canvas.dot(axes.at(0, math.log(2)), INK, radius=5)
    start = axes.at(0, math.log(2))
    canvas.words((start[0] + 10, start[1] - 10), "begins here: ln 2", INK, size=12, anchor="start")
    notes = (
        ("beta 0.1", "blue"), ("small: the model may go far", "blue"), ("", SOFT),
        ("beta 0.5", "orange"), ("large: a little is enough,", "orange"),
        ("and more gains nothing", "orange"),
    )  # fmt: skip
    for i, (text, colour) in enumerate(notes):
        canvas.words((510, 80 + 20 * i), text, colour, anchor="start", bold=text.startswith("beta"))
    return canvas


def batching() -> Canvas:
    """Draw texts that share four slots, in lots and continuously."""
    canvas = Canvas(760, 320, "Texts of different lengths in four slots: in lots, and continuously")
    lengths = (12, 3, 6, 2, 8, 4, 3, 7, 5, 2)
    for part, (name, places) in enumerate(
        (
            ("in lots: all wait for the longest", _lots(lengths)),
            ("continuous: the next one joins between tokens", _joined(lengths)),
        )
    ):
        top = 45 + 140 * part
        end = max(start + length for _, start, length in places)
        canvas.words((60, top - 12), name, bold=True, anchor="start")
        canvas.words(
            (740, top - 12), f"{end} turns for {sum(lengths)} tokens", SOFT, size=12, anchor="end"
        )
        for slot in range(4):
            canvas.words((46, top + 17 + 26 * slot), f"{slot + 1}", SOFT, size=11, anchor="end")
            canvas.line([(56, top + 25 + 26 * slot), (740, top + 25 + 26 * slot)], SOFT, width=0.5)
        for i, (slot, start, length) in enumerate(places):
            canvas.box(
                (58 + 25 * start, top + 3 + 26 * slot),
                (25 * length - 3, 20),
                COLOURS[i % 5],
                fill=0.4,
            )
            canvas.words(
                (58 + 25 * start + 12 * length, top + 18 + 26 * slot), "abcdefghij"[i], size=12
            )
    canvas.words(
        (400, 306),
        "one column is one turn: a token for every text that is being written",
        SOFT,
        size=12,
    )
    return canvas


def _lots(lengths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    places, now = [], 0
    for first in range(0, len(lengths), 4):
        lot = lengths[first : first + 4]
        places += [(slot, now, length) for slot, length in enumerate(lot)]
        now += max(lot)
    return places


def _joined(lengths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    free, places, waiting = [0, 0, 0, 0], [], deque(lengths)
    while waiting:
        slot = min(range(4), key=lambda one: free[one])
        length = waiting.popleft()
        places.append((slot, free[slot], length))
        free[slot] += length
    return places


def rewards() -> Canvas:
    """Draw the parts of PPO from human feedback beside those of DPO."""
    canvas = Canvas(760, 330, "What trains what in RLHF with PPO, and in DPO")
    canvas.words((20, 28), "RLHF with PPO", bold=True, anchor="start")
    canvas.labelled((20, 45), (110, 50), ("pairs", "people choose"), "green")
    canvas.arrow((132, 70), (172, 70))
    canvas.labelled((176, 45), (130, 50), ("reward model", "trained first"), "orange")
    canvas.arrow((308, 70), (392, 70))
    canvas.words((350, 60), "scores", SOFT, size=11)
    canvas.labelled((396, 45), (150, 50), ("policy", "the model that learns"), "blue")
    canvas.labelled((590, 45), (150, 50), ("value model", "what was expected"), "orange")
    canvas.arrow((588, 70), (550, 70))
    canvas.labelled((396, 125), (150, 50), ("reference", "keeps it near"), SOFT)
    canvas.arrow((471, 123), (471, 99))
    canvas.line([(440, 97), (440, 110), (240, 110)], "blue")
    canvas.arrow((240, 110), (240, 98), "blue")
    canvas.words((300, 126), "writes, and is judged", "blue", size=11)
    canvas.words((20, 222), "DPO", bold=True, anchor="start")
    canvas.labelled((20, 240), (110, 50), ("pairs", "people choose"), "green")
    canvas.arrow((132, 265), (392, 265))
    canvas.words((262, 257), "one loss, as in any training", SOFT, size=11)
    canvas.labelled((396, 240), (150, 50), ("policy", "the model that learns"), "blue")
    canvas.labelled((590, 240), (150, 50), ("reference", "a frozen copy"), SOFT)
    canvas.arrow((588, 265), (550, 265))
    canvas.words(
        (20, 316),
        "nothing is written during training; the reward is the policy's own log odds",
        SOFT,
        size=12,
        anchor="start",
    )
    return canvas


def pictures(found: dict[str, Any]) -> dict[str, Callable[[], Canvas]]:
    """Return the pictures by name; `found` are the results of the scaling experiment."""
    return {
        "15-sizes": lambda: sizes_at_budgets(found),
        "16-lora": lora,
        "16-softened": softened,
        "16-preference": preference,
        "17-batching": batching,
        "rewards": rewards,
    }
