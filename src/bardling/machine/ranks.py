"""A team of several processes, on `torch.distributed`: gloo between processors, NCCL between GPUs.

Gradients are added up by `DistributedDataParallel` while the backward pass still goes on, and are
the same bits in every process afterwards. What one process decides for all travels as JSON, never
as a pickle.
"""

import json
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import GradBucket
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from bardling.errors import BardlingError, TeamLost, UsageError
from bardling.machine.seat import Seat, seat
from bardling.machine.stop import Terminated
from bardling.machine.team import ALONE, Json, Loss, Number, Team

SILENCE = timedelta(minutes=10)
"""How long one process waits for the others in the midst of a step."""
SENT_MB = 25
"""Of gradients sent together: with torch's small first bucket each step waits once more."""
SHORTEST, LONGEST = 0.0005, 0.1
"""Seconds between two looks for what may take any time; signals are heard in between."""


_JOININGS = count()


class Ranks:
    """One of several processes that share a global batch."""

    sharing = False

    def __init__(self, where: Seat, store: Store, works: Iterator[int] | None = None) -> None:
        self.rank, self.size = where.rank, where.size
        self.seat, self.store = where, store
        self.works = count() if works is None else works

    def rows(self, batch_size: int, rank: int | None = None) -> range:
        """Return a process's rows, by default this one's; their numbers differ by one at most."""
        who = self.rank if rank is None else rank
        first, last = (batch_size * (who + one) // self.size for one in (0, 1))
        return range(first, last)

    def bound(self, loss: Loss) -> Loss:
        """Return the loss, whose backward pass adds up gradients over all processes."""
        if not isinstance(loss, nn.Module):
            raise TypeError("only a module can be bound to those of other processes")
        with warnings.catch_warnings():  # newer torch has another word for it, older ones do not
            warnings.simplefilter("ignore", FutureWarning)
            shared = DistributedDataParallel(
                loss,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
                bucket_cap_mb=SENT_MB,
            )
        shared.register_comm_hook(None, _added_up)
        return shared

    def apart(self, loss: Loss) -> AbstractContextManager[None]:
        """Within, gradients stay in this process, to be added up with those of a later part."""
        return loss.no_sync() if isinstance(loss, DistributedDataParallel) else nullcontext()

    def total(self, value: Number) -> Number:
        """Return the sum of a number over all processes, of integers exactly up to 2^53."""
        return type(value)(_reduced(value, dist.ReduceOp.SUM))

    def exchange(self, parts: Sequence[Tensor]) -> None:
        """Let all have what each has made: the first part is number 0's, and so on."""
        under_way = [dist.broadcast(part, rank, async_op=True) for rank, part in enumerate(parts)]
        for sent in under_way:
            sent.wait()

    def most(self, value: int) -> int:
        """Return the largest of all processes' numbers."""
        return int(_reduced(value, dist.ReduceOp.MAX))

    def first(self, work: Callable[[], Json]) -> Json:
        """Let number 0 do some work, however long that takes, and tell all what it came to."""
        key = f"work-{next(self.works)}"
        if self.rank == 0:
            return self._told(key, work)
        with lost_members_told():
            pause = SHORTEST
            while not self.store.check([key]):
                time.sleep(pause)
                pause = min(2 * pause, LONGEST)
            said = json.loads(self.store.get(key))
        if "error" in said:
            raise Followed(said["error"], said["code"])
        return said["done"]

    def _told(self, key: str, work: Callable[[], Json]) -> Json:
        try:
            done = work()
        except BaseException as error:
            self.store.set(key, json.dumps({"error": str(error), "code": _exit_code(error)}))
            raise
        self.store.set(key, json.dumps({"done": done}))
        return done


def _exit_code(error: BaseException) -> int:
    """Return the code that the command ends with after an error."""
    match error:
        case BardlingError():
            return error.exit_code
        case Terminated():
            return 128 + signal.SIGTERM
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
    return 1


class Followed(BardlingError):
    """Another process of the team has raised an error, and tells it."""

    by_all = True

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def joined() -> Iterator[Team]:
    """Give the team that this process belongs to: that of `torchrun`, or `ALONE`."""
    where = seat()
    if where.size == 1 or dist.is_initialized():
        yield ALONE
        return
    if where.several_machines and where.same_store and where.may_restart:
        raise UsageError(  # each machine counts restarts for itself
            "several machines that may be started anew need a new store each time: "
            "set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 where torchrun is started"
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(where.local_rank)
    with lost_members_told():
        attempt = where.restarts if where.same_store else 0
        number = f"{attempt}-{next(_JOININGS)}"  # a script may train several runs
        store = _meeting_point(where.rank, where.size)
        dist.init_process_group(
            store=PrefixStore(f"group-{number}", store),
            rank=where.rank,
            world_size=where.size,
            timeout=SILENCE,
        )
        try:
            yield Ranks(where, PrefixStore(f"works-{number}", store))
        except BardlingError as error:
            if error.by_all and not isinstance(error, TeamLost):
                dist.destroy_process_group()
            raise  # after any other error nobody says goodbye: the others may be gone
    dist.destroy_process_group()


@cache
def _meeting_point(rank: int, size: int) -> Store:
    """Return the store by which members find each other, one for all runs of a process.

    A store of each run's own would listen where the last one's did, and who is quick would still
    find that one.
    """
    store, _, _ = next(rendezvous("env://", rank, size))
    return store


@contextmanager
def lost_members_told() -> Iterator[None]:
    """Turn what torch says of a connection that broke into one sentence."""
    try:
        yield
    except RuntimeError as error:
        if not _is_loss(error):
            raise
        raise TeamLost(
            "another process of this run is gone, so this one ends too; the last checkpoint "
            "stands: start all of them again with --resume auto"
        ) from error


def _is_loss(error: RuntimeError) -> bool:
    """Tell whether an error is that of a connection, and not of this process's own work."""
    if isinstance(error, dist.DistNetworkError | dist.DistStoreError | dist.DistBackendError):
        return True
    return any(word in str(error).lower() for word in ("gloo", "nccl", "connection"))


def _reduced(value: int | float, how: dist.ReduceOp.RedOpType) -> float:
    number = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(number, how)
    return number.item()


def _added_up(group: Any, bucket: GradBucket) -> torch.futures.Future[Tensor]:
    """Add up, where `DistributedDataParallel` by itself would take the mean."""
    sent = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    return sent.get_future().then(lambda done: done.value()[0])
