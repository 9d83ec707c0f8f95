"""The side of a contestant on which it waits for its turn."""

import sys
import time
from collections.abc import Callable


def serve(parameters: int, step: Callable[[], object]) -> None:
    """Tell the parameters; for each line of seconds, step for so long and tell steps per second."""
    print(parameters, flush=True)
    for line in sys.stdin:
        began, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - began < float(line):
            step()
            count += 1
        print(count / (time.perf_counter() - began), flush=True)
