"""Scaling: the law that the losses of a grid follow, and what it says of a budget.

The sizes of a law are counted in the weights that multiply: a table that is only looked up costs
nothing and says little.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from bardling.errors import UsageError
from bardling.experiments.pictures import Drawn, bars
from bardling.experiments.power_law import Fit, fit_power_law
from bardling.reporting.charts import scaling_chart
from bardling.reporting.console import count
from bardling.reporting.rows import Row

STATED_PERPLEXITIES = (17.75, 10.23, 8.08)
"""Seed 002's, of small, medium and large."""


def points_of(rows: Sequence[Row]) -> Float64[np.ndarray, "runs 3"]:
    """Return weights, tokens and loss of each run that did not diverge."""
    found = [
        (outcome.weights, outcome.tokens, outcome.last)
        for row in rows
        for outcome in row.outcomes
        if outcome.last is not None
    ]
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def token_costs(rows: Sequence[Row]) -> tuple[float, float]:
    """Return c and p of seconds per token = c N^p, by the quickest run of each size.

    Other work on the machine only makes runs longer.
    """
    quickest: dict[int, float] = {}
    for row in rows:
        weights, each = row.outcomes[0].weights, row.seconds / row.tokens
        quickest[weights] = min(each, quickest.get(weights, math.inf))
    power, logarithm = np.polyfit(np.log(list(quickest)), np.log(list(quickest.values())), 1)
    return float(np.exp(logarithm)), float(power)


def best_for_seconds(fit: Fit, costs: tuple[float, float], seconds: float) -> tuple[float, float]:
    """Return the weights that end lowest after so many seconds here, and the loss."""
    factor, power = costs
    weights = np.geomspace(1e3, 1e10, 2000)
    losses = np.array([fit.law.loss(n, seconds / (factor * n**power)) for n in weights])
    lowest = int(losses.argmin())
    return float(weights[lowest]), float(losses[lowest])


def findings(
    fit: Fit, costs: tuple[float, float], floor: float | None, held: Fit
) -> tuple[list[str], dict[str, object]]:
    """Return what a fit says, in sentences and as JSON values.

    `held` is the one that foretells: with E at the floor of the language, where that is known.
    """
    law, low_high = fit.law, fit.intervals
    remarks = [
        f"loss = {law.irreducible:.3f} + {law.of_size:.3g} / N^{law.size_power:.3f} "
        f"+ {law.of_data:.3g} / D^{law.data_power:.3f}, {fit.error:.2%} off on average; "
        "N counts the weights that multiply, D tokens",
        "90 % of fits to runs drawn anew: "
        + ", ".join(
            f"{word} {low_high[name][0]:.3f} to {low_high[name][1]:.3f}"
            for word, name in (
                ("E", "irreducible"), ("a", "size_power"), ("b", "data_power")
            )
        ),
    ]  # fmt: skip
    if floor is not None:
        remarks.append(
            f"the language leaves {floor:.4f} nats per token to chance: the fitted E is "
            f"{law.irreducible - floor:+.4f} from it"
        )
        remarks.append(
            f"with E held there: {held.law.of_size:.3g} / N^{held.law.size_power:.3f} + "
            f"{held.law.of_data:.3g} / D^{held.law.data_power:.3f}, {held.error:.2%} off on average"
        )
    budgets = {}
    for seconds, word in ((60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h")):
        weights, loss = best_for_seconds(held, costs, seconds)
        budgets[word] = {"weights": weights, "loss": loss}
        remarks.append(
            f"{word} here would end lowest, at {loss:.3f}, with {count(weights)} weights"
        )
    values = {
        "law": vars(law),
        "law_at_floor": vars(held.law),
        "intervals": low_high,
        "error": fit.error,
        "budgets": budgets,
        "seconds_per_token": costs,
        "floor": floor,
    }
    return remarks, values


def scaled(rows: Sequence[Row], levels: Mapping[str, float]) -> Drawn:
    """Fit the law of a grid's runs, draw it, and say what follows."""
    points = points_of(rows)
    try:
        fit = fit_power_law(points)
    except UsageError as error:  # too many of the runs diverged
        return Drawn({}, [str(error)])
    floor = rows[0].outcomes[0].floor
    held = fit if floor is None else fit_power_law(points, irreducible=floor)
    remarks, values = findings(fit, token_costs(rows), floor, held)
    known = levels if floor is None else {**levels, "floor": floor}
    runs = [(float(n), float(d), float(loss)) for n, d, loss in points]
    least = fit.law.irreducible if floor is None else floor
    picture = scaling_chart(runs, held.law.loss, known, least=least)
    return Drawn({"scaling": picture}, remarks, values)


def perplexities(rows: Sequence[Row], levels: Mapping[str, float]) -> Drawn:
    """Draw seed 002's sizes, and put the ratios of their perplexities beside the seed's."""
    mine = [math.exp(row.mean) for row in rows if row.mean is not None]
    remarks = ["perplexities " + ", ".join(f"{one:.2f}" for one in mine)]
    if len(mine) == len(STATED_PERPLEXITIES):
        own = [STATED_PERPLEXITIES[0] / one for one in STATED_PERPLEXITIES[1:]]
        ours = [mine[0] / one for one in mine[1:]]
        remarks.append(
            f"small over medium {ours[0]:.3f}, small over large {ours[1]:.3f}; seed 002 states "
            f"{own[0]:.3f} and {own[1]:.3f}, on another text and more of it"
        )
    return Drawn(bars(rows, levels).pictures, remarks, {"perplexities": mine})
