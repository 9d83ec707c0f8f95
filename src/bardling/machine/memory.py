"""How much memory there is. No torch here."""

import ctypes
import os
import re

from bardling.machine.kernel import kernel_text


def physical_bytes() -> int:
    """Return the machine's main memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_bytes() -> int | None:
    """Return the main memory that programs could still take, or None where nobody tells."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", kernel_text("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def ran_out(error: BaseException) -> bool:
    """Tell whether an error says that there was no memory left, on whatever device."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    told = any(word in str(error) for word in words)
    return bool({"MemoryError", "OutOfMemoryError"} & kinds) or told


def most_bytes() -> int:
    """Return the most main memory that this process has had, or 0 where nobody tells."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", kernel_text("/proc/self/status"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed for the next tensor; return whether it listened.

    glibc hands large pieces back to the kernel at once, and the next step pays for getting them
    again, page by page: 1.13 to 1.18 times the step on two cores (docs/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return all(mallopt(name, 2**30) == 1 for name in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
