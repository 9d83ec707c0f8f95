"""Pictures of pages 10 to 14: optimizers, schedules, a step, curves, sampling, newer parts.

Every curve and bar is computed by the code that its page explains, or from what a command recorded.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch

from bardling.generation.sampling import Sample
from bardling.training.config import Schedule
from bardling.training.muon import orthogonalised
from bardling.training.schedule import lr_fraction
from drawing.axes import COLOURS, Axes, labelled
from drawing.canvas import Canvas, Colour, Point
from drawing.gallery import picture

ROOT = Path(__file__).parents[3]


@picture("10-valley")
def valley() -> str:
    """Draw how three optimizers walk down a valley that is steep across and flat along."""
    canvas = Canvas(300, "Paths of SGD, SGD with momentum and Adam down a narrow valley")
    ways: tuple[tuple[str, Callable[..., torch.optim.Optimizer], dict[str, Any]], ...] = (
        ("SGD", torch.optim.SGD, {"lr": 0.031}),
        ("with momentum", torch.optim.SGD, {"lr": 0.02, "momentum": 0.8}),
        ("Adam", torch.optim.Adam, {"lr": 0.45, "betas": (0.7, 0.9)}),
    )
    for i, (name, make, settings) in enumerate(ways):
        axes = Axes(
            canvas=canvas, corner=(20 + 245 * i, 50), size=(230, 200), x=(-5, 5), y=(-1.2, 1.2)
        )
        for level in (0.4, 1.6, 4.0, 8.0, 14.0):
            around = [k / 40 * 2 * math.pi for k in range(41)]
            ring = [
                (math.sqrt(2 * level) * math.cos(t), math.sqrt(level / 30) * math.sin(t))
                for t in around
            ]
            inside = [(max(-5.0, min(5.0, x)), max(-1.2, min(1.2, y))) for x, y in ring]
            axes.curve(inside, "soft", width=0.7)
        path = _walk(make, settings)
        axes.curve(path, COLOURS[i])
        for point in path:
            canvas.dot(*axes.at(*point), 2.4, colour=COLOURS[i])
        canvas.dot(*axes.at(0, 0), 4, colour="ink")
        canvas.text(135 + 245 * i, 30, name, bold=True)
        left = 0.5 * path[-1][0] ** 2 + 30 * path[-1][1] ** 2
        canvas.text(
            135 + 245 * i, 275, f"after 25 steps {left:.1g} above the floor", colour="soft", size=12
        )
    return str(canvas)


def _walk(make: Callable[..., torch.optim.Optimizer], settings: dict[str, Any]) -> list[Point]:
    """Return 25 steps of an optimizer on x²/2 + 30y², from the same place."""
    place = torch.tensor([-4.5, 1.0], requires_grad=True)
    optimizer = make([place], **settings)
    path = [(-4.5, 1.0)]
    for _ in range(25):
        optimizer.zero_grad()
        torch.autograd.backward(0.5 * place[0] ** 2 + 30.0 * place[1] ** 2)
        optimizer.step()
        x, y = place.tolist()
        path.append((x, y))
    return path


@picture("10-schedules")
def schedules() -> str:
    """Draw the four schedules as the function that training asks draws them."""
    canvas = Canvas(300, "Four schedules of the learning rate after the same warm-up")
    axes = Axes(canvas=canvas, corner=(60, 45), size=(530, 195), x=(0, 1), y=(0, 1.05))
    axes.frame(
        "progress of the run",
        "share of the highest rate",
        x_ticks=(0, 0.25, 0.5, 0.75, 1),
        y_ticks=(0, 0.5, 1),
    )
    steps = 200
    for colour, name in zip(COLOURS, get_args(Schedule), strict=False):
        floor = 0.0 if name == "linear" else 0.1
        rates = [
            (s / steps, lr_fraction(name, s / steps, warmup=0.05, floor=floor, one_step=1 / steps))
            for s in range(steps + 1)
        ]
        axes.curve(rates, colour)
        said = f"{name}, to zero" if name == "linear" else name
        canvas.text(
            602, axes.at(1, rates[-1][1])[1] + _apart(name), said, colour=colour, anchor="start"
        )
    canvas.path([axes.at(0.05, 0), axes.at(0.05, 1.05)], colour="soft", width=1, dashed=True)
    canvas.text(
        axes.at(0.05, 0)[0] + 6, 236, "warm-up ends", colour="soft", size=11, anchor="start"
    )
    return str(canvas)


def _apart(name: str) -> float:
    return {"exponential": -12.0, "cosine": 4.0}.get(name, 5.0)


@picture("11-step")
def step() -> str:
    """Draw what happens in one step, and what happens now and then."""
    canvas = Canvas(330, "One step of training: batch, loss, gradient, clipping, move")
    names = (
        ("batch", "seed and step"),
        ("forward", "logits"),
        ("loss", "nats a token"),
        ("backward", "gradients"),
        ("clip", "length ≤ 1"),
        ("move", "rate of this step"),
    )
    for i, lines in enumerate(names):
        labelled(canvas, 18 + 124 * i, 40, 104, 56, lines, colour="blue")
        if i:
            canvas.arrow((18 + 124 * i - 18, 68), (18 + 124 * i - 3, 68))
    canvas.path([(690, 98), (690, 128), (70, 128)], colour="soft")
    canvas.arrow((70, 128), (70, 100))
    canvas.text(380, 146, "gradients are let go; the next step begins", colour="soft", size=12)
    labelled(
        canvas, 262, 176, 236, 50, ("loss or gradient not finite?", "nothing moves"), colour="red"
    )
    canvas.path([(566, 98), (566, 201)], colour="red", dashed=True)
    canvas.arrow((566, 201), (502, 201), colour="red")
    now = (
        ("validate", "a fixed part of text", "never trained on"),
        ("sample", "look at what", "it writes"),
        ("save", "weights, optimizer,", "step, tokenizer"),
    )
    for i, said in enumerate(now):
        labelled(canvas, 110 + 190 * i, 248, 160, 66, said, colour="teal")
    canvas.text(14, 285, "every tenth", colour="teal", anchor="start", size=12)
    canvas.text(14, 301, "of the run", colour="teal", anchor="start", size=12)
    return str(canvas)


@picture("12-curves")
def curves() -> str:
    """Draw a real run that went past its best, and the shapes of others."""
    canvas = Canvas(320, "Loss curves of a run that overfits, and of four other kinds")
    text = (ROOT / "results" / "past-its-best.txt").read_text()
    lines = [line.split() for line in text.splitlines() if line.startswith("step ")]
    points = [(int(w[1].split("/")[0]), float(w[3]), float(w[5])) for w in lines][1:]
    axes = Axes(canvas=canvas, corner=(50, 50), size=(330, 210), x=(60, 600), y=(0.5, 3.3))
    axes.frame("step", "nats per token", x_ticks=(60, 240, 420, 600), y_ticks=(1, 2, 3))
    axes.curve([(s, t) for s, t, _ in points], "blue")
    axes.curve([(s, v) for s, _, v in points], "orange")
    canvas.text(372, axes.at(600, points[-1][1])[1] - 10, "train", colour="blue", anchor="end")
    canvas.text(
        372, axes.at(600, points[-1][2])[1] - 8, "validation", colour="orange", anchor="end"
    )
    best = min(points, key=lambda one: one[2])
    canvas.path(
        [axes.at(best[0], 0.5), axes.at(best[0], best[2])], colour="soft", width=1, dashed=True
    )
    canvas.dot(*axes.at(best[0], best[2]), 4.5, colour="orange")
    canvas.text(
        axes.at(best[0], 0)[0] + 7,
        246,
        f"best: step {best[0]}",
        colour="soft",
        size=11,
        anchor="start",
    )
    canvas.text(215, 24, "measured: 600 steps on 60,000 characters", bold=True)
    kinds: tuple[tuple[str, Callable[[float], float], Callable[[float], float]], ...] = (
        ("sound", lambda t: 1 + 2 * math.exp(-5 * t), lambda t: 1.25 + 1.9 * math.exp(-5 * t)),
        ("not finished", lambda t: 3 - 1.5 * t, lambda t: 3.1 - 1.4 * t),
        ("diverged", _broken, lambda t: _broken(t) + 0.1),
        ("cheating", lambda t: 3 * math.exp(-9 * t), lambda t: 3 * math.exp(-9 * t) + 0.06),
    )
    for i, (name, train, val) in enumerate(kinds):
        corner = (425 + 165 * (i % 2), 50 + 125 * (i // 2))
        small = Axes(canvas=canvas, corner=corner, size=(145, 85), x=(0, 1), y=(0, 3.3))
        small.frame("", "")
        times = [k / 60 for k in range(61)]
        small.curve([(t, val(t)) for t in times], "orange")
        small.curve([(t, train(t)) for t in times], "blue")
        canvas.text(corner[0] + 72, corner[1] - 7, name, size=12)
    canvas.text(575, 24, "sketches", bold=True)
    return str(canvas)


def _broken(time: float) -> float:
    return 1.2 + 1.9 * math.exp(-6 * time) if time < 0.55 else 2.9 + 0.12 * math.sin(40 * time)


@picture("13-sampling")
def sampling() -> str:
    """Draw five probabilities at three temperatures, and what top-k and top-p leave of them."""
    canvas = Canvas(300, "A distribution of five tokens under temperature, top-k and top-p")
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.5, 0.1]])
    ways = (
        ("temperature 0.5", Sample(temperature=0.5)),
        ("temperature 1", Sample()),
        ("temperature 1.5", Sample(temperature=1.5)),
        ("top-k 2", Sample(top_k=2)),
        ("top-p 0.9", Sample(top_p=0.9)),
    )
    for i, (name, way) in enumerate(ways):
        left = 24 + 147 * i
        shares = way.distribution(logits)[0].tolist()
        colour: Colour = "blue" if i < 3 else "teal"
        for k, share in enumerate(shares):
            height = 190 * share
            if share > 0:
                canvas.box(
                    left + 25 * k,
                    235 - height,
                    20,
                    height,
                    colour=colour,
                    radius=2,
                    strength=0.75,
                    edge=False,
                )
                said = f"{share:.2f}"[1:]
                canvas.text(left + 25 * k + 10, 229 - height, said, colour="soft", size=10)
            else:
                canvas.text(left + 25 * k + 10, 231, "×", colour="red", size=14)
            canvas.text(left + 25 * k + 10, 251, "abcde"[k], colour="soft", size=12, mono=True)
        canvas.path([(left - 3, 235.5), (left + 123, 235.5)], colour="soft", width=1)
        nats = -sum(p * math.log(p) for p in shares if p > 0)
        canvas.text(left + 60, 26, name, bold=True)
        canvas.text(left + 60, 276, f"entropy {nats:.3f} nats", colour="soft", size=11)
    return str(canvas)


@picture("14-rotary")
def rotary() -> str:
    """Draw a query and a key that are turned by their places."""
    canvas = Canvas(290, "Rotary positions: turned by their places, only the distance counts")
    turn = 0.42
    for i, (query, key) in enumerate(((3, 1), (6, 4), (6, 1))):
        middle = (135 + 245 * i, 150)
        ring = [k / 60 * 2 * math.pi for k in range(61)]
        canvas.path(
            [(middle[0] + 85 * math.cos(t), middle[1] - 85 * math.sin(t)) for t in ring],
            colour="soft",
            width=0.7,
        )
        for name, place in (("q", query), ("k", key)):
            colour: Colour = "blue" if name == "q" else "orange"
            angle = place * turn
            end = (middle[0] + 85 * math.cos(angle), middle[1] - 85 * math.sin(angle))
            canvas.arrow(middle, end, colour=colour, width=2.2)
            out = (middle[0] + 101 * math.cos(angle), middle[1] - 101 * math.sin(angle) + 4)
            canvas.text(*out, f"{name}{place}", colour=colour, bold=True)
        canvas.text(middle[0], 26, f"query at {query}, key at {key}", bold=True)
        product = math.cos((query - key) * turn)
        canvas.text(middle[0], 272, f"{query - key} apart: product {product:.2f}", colour="soft")
    return str(canvas)


@picture("14-muon")
def muon() -> str:
    """Draw the singular values of a gradient, and what Newton-Schulz makes of them."""
    canvas = Canvas(280, "Singular values of a gradient before and after orthogonalising")
    random = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(32, 32, generator=random))[0] for _ in range(2))
    gradient = left @ torch.diag(0.8 ** torch.arange(32.0)) @ right
    scaled = gradient / gradient.norm()
    made = orthogonalised(gradient[None], coefficients=(3.4445, -4.775, 2.0315), steps=5, eps=1e-07)
    for i, (name, matrix) in enumerate(
        (("the gradient", scaled), ("the step Muon takes", made[0].float()))
    ):
        axes = Axes(
            canvas=canvas, corner=(60 + 365 * i, 50), size=(310, 165), x=(0, 32), y=(0, 1.3)
        )
        axes.frame(
            "singular value, from the largest", "", x_ticks=(1, 8, 16, 24, 32), y_ticks=(0, 0.5, 1)
        )
        for k, value in enumerate(torch.linalg.svdvals(matrix).tolist()):
            corner = axes.at(k + 0.15, value)
            canvas.box(
                *corner,
                7,
                axes.at(0, 0)[1] - corner[1],
                colour=COLOURS[i],
                radius=1,
                strength=0.75,
                edge=False,
            )
        canvas.text(215 + 365 * i, 28, name, bold=True)
    return str(canvas)
