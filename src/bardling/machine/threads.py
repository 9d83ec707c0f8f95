"""How many threads: one for each core that this process may use. No torch here.

Two threads on the two halves of one core share its units for arithmetic, and wait for each
other more than they help.
"""

import os

from bardling.machine.kernel import kernel_text
from bardling.machine.seat import seat

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def usable_cores() -> int:
    """Return the physical cores that this process may run on, at least 1."""
    return max(1, min(_cores_of(_allowed()), _quota()))


def pick_threads(wish: int) -> int:
    """Return the threads to compute with; OMP_NUM_THREADS bounds what is not asked for.

    Processes that were started together on this machine share its cores.
    """
    if wish:
        return wish
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = max(1, usable_cores() // seat().local_size)
    return min(cores, int(limit)) if limit.isdecimal() and int(limit) else cores


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cores_of(processors: set[int]) -> int:
    """Count the cores behind logical processors; unknown ones count for themselves."""
    cores = {kernel_text(_TOPOLOGY.format(number)) or str(number) for number in processors}
    return len(cores)


def _quota() -> int:
    """Return how many processors' time a container is given."""
    quota, _, period = kernel_text("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota.isdecimal() or not period.isdecimal():
        return os.cpu_count() or 1
    return max(1, int(quota) // int(period))
