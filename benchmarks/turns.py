"""Steps of several sides by turns, each side in a process of its own.

A process of its own is how their users run them, and what one side does to the memory or the
threads of its process does nothing for the other. One works at a time; the others wait for a line
on their standard input.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bardling.benchmarking.timing import by_turns


def peers_environment() -> dict[str, str]:
    """Return the environment without what importing bardling has put there; ours does it again."""
    return {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}


class Contestant:
    """A step in a process of its own: `step_of` of a module of contestants/, with arguments."""

    def __init__(self, module: str, *arguments: object) -> None:
        script = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            f"from contestants.{module} import step_of\n"
            f"from contestants.serving import serve\n"
            f"serve(*step_of(*{arguments!r}))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=peers_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.parameters = int(self._answer())

    def _answer(self) -> float:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a contestant ended before its time; its complaint is above")
        return float(line)

    def rate(self, seconds: float) -> float:
        """Return its steps per second over about so many seconds."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self._answer()

    def most_mebibytes(self) -> float:
        """Return the most memory that its process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()


@contextmanager
def at_rest(contestants: Mapping[str, tuple[object, ...]]) -> Iterator[dict[str, Contestant]]:
    """Start contestants, each named by its module and arguments, and end them afterwards."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Contestant(*how)) for name, how in contestants.items()}


def take_turns(
    contestants: Mapping[str, tuple[object, ...]], seconds: float
) -> tuple[dict[str, list[float]], dict[str, float], dict[str, int]]:
    """Return each contestant's steps per second by rounds, most MiB, and parameters."""
    with at_rest(contestants) as found:
        rates = by_turns({name: lambda c=c: c.rate(seconds) for name, c in found.items()})
        memory = {name: contestant.most_mebibytes() for name, contestant in found.items()}
        return rates, memory, {name: contestant.parameters for name, contestant in found.items()}


def imports_alone(*modules: str) -> float:
    """Return the MiB of a process that has imported torch, and modules, and done nothing."""
    with Contestant("nobody", *modules) as nobody:
        return nobody.most_mebibytes()
