"""What a check found: a name, one of four outcomes, and one sentence with the figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "warned", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check.

    *warned* is what its owner should know and may have wanted; *skipped* is what cannot be said
    about this model, with the reason.
    """

    name: str
    outcome: Outcome
    detail: str


def passed(name: str, detail: str) -> Finding:
    """Return what was found to be as it should."""
    return Finding(name=name, outcome="passed", detail=detail)


def warned(name: str, detail: str) -> Finding:
    """Return what its owner should know."""
    return Finding(name=name, outcome="warned", detail=detail)


def failed(name: str, detail: str) -> Finding:
    """Return what is broken."""
    return Finding(name=name, outcome="failed", detail=detail)


def skipped(name: str, detail: str) -> Finding:
    """Return what was not looked at, and why."""
    return Finding(name=name, outcome="skipped", detail=detail)


def any_failed(findings: Iterable[Finding]) -> bool:
    """Tell whether something is broken."""
    return any(finding.outcome == "failed" for finding in findings)
