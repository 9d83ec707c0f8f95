"""How much memory there is. No torch here."""

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
