"""What is promised, row by row: how each promise is provoked, and by what it is held.

A row's tests are in `test_row_NN_*.py`. Beside them, as `PROTECTIONS`, stand the lines of the
package that keep the promise, each with a way to break it: `test_protections.py` breaks them one by
one, in a copy, and the row's test has to fail. `record_property("measured", ...)` in a test gives
the figure that `docs/reliability.md` shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Protection:
    """A line of the package that keeps a promise, and the test that fails without it."""

    file: str
    """Below src/bardling."""
    line: str
    """As it stands there, once; more than one line will do."""
    broken: str
    """What stands there instead."""
    test: str
    """The name of the test, in the same file as this, with its parameters or without."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One row of the scorecard."""

    promise: str
    provoked: str
    criterion: str


PROMISES: dict[int, Promise] = {
    1: Promise(
        promise="A killed run never loses its last good checkpoint",
        provoked="the process is killed at every operation on the disk, and at random moments",
        criterion="every restart goes on from the last published step or a later one, with the "
        "recorded weights; nothing stray stays",
    ),
    2: Promise(
        promise="Opening a file runs no code",
        provoked="hostile files in every place that is read, and a scan of the source",
        criterion="no canary runs; no way to run code in the source",
    ),
    3: Promise(
        promise="A resumed run is the uninterrupted one, bit for bit",
        provoked="stopped at five steps and gone on with in a new process, under three optimizers "
        "and three schedules, with dropout, accumulation and epochs",
        criterion="weights, optimizer, log and samples are equal bit for bit, every time",
    ),
    4: Promise(
        promise="A damaged checkpoint is noticed, and the one before is used",
        provoked="truncations, flipped bytes, files deleted or exchanged, stray folders",
        criterion="211 of 211 noticed; the run goes on from the one before and says so",
    ),
    5: Promise(
        promise="A loss or gradient that is not finite never reaches weights or checkpoint",
        provoked="NaN and infinity in loss or gradient, also on one of two processes",
        criterion="weights as before, all processes decide alike, a stop after three in a row with "
        "exit code 3, no checkpoint that is not finite",
    ),
    6: Promise(
        promise="SIGTERM or SIGINT: finish the step, save, leave",
        provoked="signals at random moments, twice, and to two processes",
        criterion="exit within 10 s with code 130 or 143, resumed exactly; a second signal ends at "
        "once and damages nothing; no process is left over",
    ),
    7: Promise(
        promise="The server is closed by default",
        provoked="all routes without a key and with wrong ones, foreign origins and hosts",
        criterion="loopback only, or a key; every route refuses but /health and the page's files",
    ),
    8: Promise(
        promise="No request crashes or stalls the server",
        provoked="5,000 hostile bodies, endless heads, ten megabytes",
        criterion="only 4xx, 99 % within 100 ms, the same process, memory within 50 MB",
    ),
    9: Promise(
        promise="Who goes away frees a slot, and only that one",
        provoked="100 connections closed while writing, while reading, and in the queue",
        criterion="no more than two tokens after, the slot free in 0.5 s, neighbours undisturbed",
    ),
    10: Promise(
        promise="Overload is refused, not swallowed",
        provoked="200 clients for 2 slots and a queue of 8",
        criterion="what is admitted ends; the rest hears 429 within 250 ms, health within 100 ms",
    ),
    11: Promise(
        promise="A shard is bound to its tokenizer, and whole",
        provoked="13 faults in shards, index and tokenizer, and thousands of random damages",
        criterion="all refused before the first step, with file, found and expected",
    ),
    12: Promise(
        promise="The cache changes nothing",
        provoked="prompts of length 1 to beyond the context, alone, in batches, with seeds",
        criterion="logits within 1e-5 in float32, the same tokens",
    ),
    13: Promise(
        promise="Several processes train as one does",
        provoked="two processes and one on the same batches, in parts, with dropout, by AdamW "
        "and Muon",
        criterion="weights within 1e-10 in float64; losses within 1e-6 in float32; the same order",
    ),
    14: Promise(
        promise="A lost process ends the job, and a restart goes on",
        provoked="one of two killed in mid-step; one of two hosts killed; gone on with alone",
        criterion="the other ends within 60 s; losses are those of the undisturbed run",
    ),
    15: Promise(
        promise="A full or read-only disk leaves the old state usable",
        provoked="no space at every operation, files limited in size, folders without rights",
        criterion="one sentence with path and bytes; older checkpoints whole; nothing stray",
    ),
    16: Promise(
        promise="Rotation never removes the last good checkpoint, or the best",
        provoked="killed at every operation of a rotation, failing deletes, clocks set back",
        criterion="one whole checkpoint at every moment, two where two are kept; the best stays",
    ),
    17: Promise(
        promise="What is saved survives a power cut",
        provoked="what was not synced is lost, at every operation of a save",
        criterion="the order is file, manifest, name, folder; the last published one loads",
    ),
    18: Promise(
        promise="Tokenizers give back every byte",
        provoked="random texts and bytes, surrogates, NUL, byte order marks",
        criterion="no difference, ids in range, streams as a whole",
    ),
    19: Promise(
        promise="Tokenizers take time in proportion to the text",
        provoked="a million times the same character, and others",
        criterion="5 s at most, twice the text at most 2.5 times as long",
    ),
    20: Promise(
        promise="A user's text never makes control tokens",
        provoked="every special string, whole, cut and nested, in texts, prompts and messages",
        criterion="no control id; the text comes back",
    ),
    21: Promise(
        promise="Hostile model files fail cleanly",
        provoked="thousands of mutated weights, settings and tokenizers",
        criterion="only errors of ours, each within a second and 200 MB",
    ),
    22: Promise(
        promise="Settings cannot exhaust the machine",
        provoked="sizes beyond any memory, numbers that are none, huge and deep JSON",
        criterion="refused within a second, before anything is allocated, with the bytes needed",
    ),
    23: Promise(
        promise="No path leads out of its folder",
        provoked="names with .., absolute ones, links, NUL",
        criterion="nothing is opened outside",
    ),
    24: Promise(
        promise="Downloads are verified and bounded",
        provoked="a server that cuts, lies, never ends, redirects or stalls",
        criterion="all refused; the final name never appears",
    ),
    25: Promise(
        promise="Hostile text is met by a policy",
        provoked="broken UTF-8, NUL, a line of 50 MB, empty files, folders, pipes",
        criterion="an error with file and byte, or counts; never a hang",
    ),
    26: Promise(
        promise="Too little data is said at once",
        provoked="no token, one, a context, one more; empty validation text",
        criterion="an error within 2 s, with numbers and the remedy",
    ),
    27: Promise(
        promise="Vocabularies beyond 65,535 are right",
        provoked="65,535, 65,536, 65,537 and 100,000 ids",
        criterion="the same ids come back",
    ),
    28: Promise(
        promise="The order of the data is a function of seed and step",
        provoked="prepared by one or more processes, taken by ranks, resumed at random",
        criterion="the same 200 batches, always",
    ),
    29: Promise(
        promise="Training and validation text share nothing",
        provoked="planted duplicates",
        criterion="none shared; all planted ones found",
    ),
    30: Promise(
        promise="The numbers are right",
        provoked="gradients of our own operations, causality, compiled, bf16, accumulated",
        criterion="1e-6 in float64; nothing before a change changes; loss within 1 % in bf16",
    ),
    31: Promise(
        promise="The server leaves gracefully, and slow clients hold nothing",
        provoked="SIGTERM with open streams; clients that hardly write, and that never read",
        criterion="streams end or hear why within 10 s, new ones hear 503; slow ones are cut",
    ),
    32: Promise(
        promise="Answers are never mixed up",
        provoked="200 pairs of requests at once, to two models, with seeds, as streams or whole",
        criterion="not one foreign byte",
    ),
    33: Promise(
        promise="Nothing piles up",
        provoked="2,000 steps with saves and validations; requests that are good, bad and given up",
        criterion="memory of a run within 5 %, of a server within 1 MB for 1,000 requests; no more "
        "files or threads open than before",
    ),
}


def state(number: int, row: Mapping[str, Any] | None) -> str:
    """Say in a word how a row stands, by what its tests came to."""
    if row is None or not (row["passed"] or row["failed"] or row["protections"]):
        return "untested"
    if row["failed"]:
        return "BROKEN"
    if not row["passed"]:
        return "noticed"  # nothing was tested but that its tests fail where its lines are broken
    return "partly" if row["skipped"] else "held"
