"""Several processes on this machine, started together and watched, by torch's own launcher.

Each runs the same command line and finds its seat in the environment. When one ends badly the
others are stopped, and all are started anew as often as was allowed.
"""

import logging
import os
import sys
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bardling.errors import UsageError
from bardling.machine.threads import usable_cores

KNOWN_CODES = (1, 2, 3, 130, 143)
MOST_PROCESSES = 256


def launch(argv: Sequence[str], *, processes: int, restarts: int = 0) -> int:
    """Run `bardling ARGV` in so many processes; return the exit code of the one that began to end.

    A signal goes on to all of them, who save and end. Raises `UsageError` for more processes than
    a machine can want.
    """
    if not 1 <= processes <= MOST_PROCESSES:
        raise UsageError(f"--nproc is {processes}; it must be from 1 to {MOST_PROCESSES}")
    logging.disable(logging.ERROR)  # what there is to say, the processes say
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // processes)))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nobody else has to hear them
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id="bardling",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=restarts,
        signals_to_handle="SIGTERM,SIGINT",
        local_addr="localhost",
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "bardling", *argv)
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code in KNOWN_CODES else 1
    except SignalException as signalled:
        return 128 + signalled.sigval
    return 0
