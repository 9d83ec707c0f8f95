"""Two hosts for real: two network namespaces with a wire between them, and torchrun on both.

One host is killed in mid-step, comes back, and the job goes on from its checkpoint to the losses of
the run that nobody disturbed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bardling.checkpoint import load_checkpoint
from bardling.run_folder import RunFolder
from tiny import write_text
from together import ENVIRONMENT, TINY, children, last_step, wait_until

pytestmark = pytest.mark.sweep

HOSTS = {"bardling-a": "10.213.7.1", "bardling-b": "10.213.7.2"}
"""Namespaces that the test makes, with addresses that exist in them alone."""
FIRST, SECOND = HOSTS
WIRE = "bardling0"
STEPS = 200
OPTIONS = (
    *(*TINY, "--machine.precision", "fp32", "--budget", f"{STEPS}steps", "--sample-tokens", "0"),
    *("--eval-interval-steps", "20"),
)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(done.stderr.strip())


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    """Make two hosts that see nobody but each other."""
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip` here (Debian: iproute2)")
    try:
        for host in HOSTS:
            ip("netns", "add", host)
    except PermissionError as error:
        pytest.skip(f"network namespaces may not be made here: {error}")
    try:
        ip("link", "add", WIRE, "netns", FIRST, "type", "veth", "peer", "name", WIRE,
           "netns", SECOND)  # fmt: skip
        for host, address in HOSTS.items():
            ip("-n", host, "addr", "add", f"{address}/30", "dev", WIRE)
            for device in (WIRE, "lo"):
                ip("-n", host, "link", "set", device, "up")
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], capture_output=True)


def torchrun(host: str, folder: Path, name: str) -> subprocess.Popen[str]:
    """Start one host's part of a job, with its output in a file."""
    words = (
        *("ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-id", name),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{HOSTS[FIRST]}:29400"),
        *("--rdzv-conf", f"is_host={int(host == FIRST)}"),
        *("--local-addr", HOSTS[host], "-m", "bardling", "train", str(folder / "sums.txt")),
        *("--name", name, "--runs-dir", str(folder), *OPTIONS),
    )
    own = {"GLOO_SOCKET_IFNAME": WIRE, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with (folder / f"{name}-{host}.txt").open("a") as said:
        return subprocess.Popen(
            words, stdout=said, stderr=said, text=True, env=ENVIRONMENT | own,
            start_new_session=True,
        )  # fmt: skip


def kill(host: subprocess.Popen[str]) -> None:
    """Let a host's processes be gone at once, as after a power cut."""
    for pid in (*children(host.pid), host.pid):
        os.kill(pid, signal.SIGKILL)
    host.wait()


def told(folder: Path, name: str) -> str:
    return "\n".join((folder / f"{name}-{host}.txt").read_text() for host in HOSTS)


def test_a_host_is_killed_and_comes_back(hosts, tmp_path, record_property):
    write_text(tmp_path)
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    first, second = (torchrun(host, tmp_path, "whole") for host in HOSTS)
    try:
        codes = [host.wait(timeout=100) for host in (first, second)]
        assert codes == [0, 0], told(tmp_path, "whole")
        first, second = (torchrun(host, tmp_path, "killed") for host in HOSTS)
        wait_until(lambda: last_step(killed) >= 50, first, seconds=60)
        kill(second)
        began = time.monotonic()
        time.sleep(1)
        second = torchrun(SECOND, tmp_path, "killed")
        codes = [host.wait(timeout=180) for host in (first, second)]
    finally:
        for host in (first, second):
            if host.poll() is None:
                kill(host)
    assert codes == [0, 0], told(tmp_path, "killed")
    took = time.monotonic() - began

    times = ("seconds", "tokens_per_second")
    logs = [
        [{k: v for k, v in line.items() if k not in times} for line in run.metrics()]
        for run in (whole, killed)
    ]
    assert logs[0] == logs[1] and logs[0][-1]["step"] == STEPS
    mine, other = (load_checkpoint(r.checkpoint_path(STEPS)).weights for r in (whole, killed))
    assert all(torch.equal(weight, other[name]) for name, weight in mine.items())
    record_property(
        "measured",
        f"one of two hosts killed, back after 1 s: at the end {took:.0f} s later, with the losses "
        "and weights of the undisturbed run, bit for bit",
    )
