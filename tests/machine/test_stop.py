"""The first signal asks, the second insists; all signals here are real."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from bardling.machine.stop import SIGNALS, Leave, StopRequest, Terminated, terminable

CHILD = """
import time
from bardling.machine.stop import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    while not stop:
        time.sleep(0.005)
    print("asked", stop.signal_number, flush=True)
    while True:
        time.sleep(0.005)
"""


@contextmanager
def recorded(number):
    """Count the signals that reach the handler which was there before."""
    seen = []
    before = signal.signal(number, lambda n, frame: seen.append(n))
    try:
        yield seen
    finally:
        signal.signal(number, before)


def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.001)  # Python runs the handler between two of its instructions


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_only_raises_the_flag(number):
    with recorded(number) as seen, StopRequest() as stop:
        assert not stop and stop.signal_number == 0
        send(number)
        assert stop and stop.signal_number == number
        assert seen == []


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_means_what_it_meant_before(number):
    with recorded(number) as seen, StopRequest() as stop:
        send(number)
        send(number)
        assert seen == [number] and stop.signal_number == number


def test_after_one_signal_the_other_kind_insists_too():
    with recorded(signal.SIGTERM) as seen, StopRequest() as stop:
        send(signal.SIGINT)
        send(signal.SIGTERM)
        assert seen == [signal.SIGTERM] and stop.signal_number == signal.SIGINT


def test_a_second_interrupt_raises_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt), StopRequest():
        send(signal.SIGINT)
        send(signal.SIGINT)


@pytest.mark.parametrize("signals", [[], [signal.SIGINT], [signal.SIGTERM]])
def test_the_handlers_are_restored(signals):
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopRequest() as stop:
        installed = [signal.getsignal(number) for number in SIGNALS]
        assert not set(installed) & set(before)
        for number in signals:
            send(number)
        assert bool(stop) == bool(signals)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_the_handlers_are_restored_after_an_error():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ZeroDivisionError), StopRequest():
        _ = 1 / 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_installs_nothing():
    before = [signal.getsignal(number) for number in SIGNALS]
    inside = []

    def work():
        with StopRequest() as stop:
            inside.append((bool(stop), [signal.getsignal(number) for number in SIGNALS]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [(False, before)]
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_at_once_leaves_where_the_signal_arrives(number):
    passed = []
    with recorded(number) as seen, StopRequest() as stop:
        with pytest.raises(Leave), stop.at_once():
            passed.append("before")
            send(number)
            passed.append("after")
        assert passed == ["before"] and seen == []
        assert stop.signal_number == number


@pytest.mark.parametrize("number", SIGNALS)
def test_at_once_heeds_a_signal_from_before(number):
    passed = []
    with recorded(number), StopRequest() as stop:
        with stop.at_once():
            passed.append("nobody asks")
        send(number)
        for _ in range(2):
            with pytest.raises(Leave), stop.at_once():
                passed.append("inside")
    assert passed == ["nobody asks"]


def test_leaving_passes_those_who_catch_errors():
    caught = []
    with StopRequest() as stop, pytest.raises(Leave), stop.at_once():
        try:
            send(signal.SIGINT)
        except Exception as error:
            caught.append(error)
    assert caught == [] and not issubclass(Leave, Exception)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_must_not_be_torn_is_finished_first(number):
    passed = []
    with recorded(number) as seen, StopRequest() as stop:
        with stop.at_once():
            stop.finish()
            send(number)
            passed.append("finished")
        assert passed == ["finished"] and seen == []
        assert stop.signal_number == number
        with pytest.raises(Leave), stop.at_once():
            pass


def test_finishing_ends_with_the_block_and_means_nothing_outside():
    with StopRequest() as stop:
        stop.finish()
        with stop.at_once():
            stop.finish()
        with pytest.raises(Leave), stop.at_once():
            send(signal.SIGINT)


def test_after_the_block_a_signal_only_raises_the_flag_again():
    with StopRequest() as stop:
        with stop.at_once():
            pass
        with pytest.raises(ZeroDivisionError), stop.at_once():
            _ = 1 / 0
        send(signal.SIGINT)
        assert stop.signal_number == signal.SIGINT


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_after_leaving_means_what_it_meant_before(number):
    with recorded(number) as seen, StopRequest() as stop:
        with pytest.raises(Leave), stop.at_once():
            send(number)
        send(number)
        assert seen == [number]


def test_a_second_signal_while_finishing_means_what_it_meant_before():
    with recorded(signal.SIGTERM) as seen, StopRequest() as stop, stop.at_once():
        stop.finish()
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert seen == [signal.SIGTERM] and stop.signal_number == signal.SIGTERM


def test_requests_nest_and_each_signal_goes_one_further_out():
    before = [signal.getsignal(number) for number in SIGNALS]
    with recorded(signal.SIGINT) as seen, StopRequest() as outer:
        handlers = [signal.getsignal(number) for number in SIGNALS]
        with StopRequest() as inner:
            pass
        assert [signal.getsignal(number) for number in SIGNALS] == handlers
        with StopRequest() as inner:
            send(signal.SIGINT)
            assert inner and not outer
            send(signal.SIGINT)
            assert outer and seen == []
            send(signal.SIGINT)
            assert seen == [signal.SIGINT]
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_lives_through_the_first_signal_and_dies_of_the_second(number):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(60, child.kill)  # a child that never ends is a failure, not a wait
    watchdog.start()
    with child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        assert child.stdout.readline() == f"asked {int(number)}\n"
        assert child.poll() is None
        child.send_signal(number)
        assert child.wait() == -number
    watchdog.cancel()


COMPILING = """
import time
from bardling.machine.stop import StopRequest, terminable
with terminable(), StopRequest() as stop:
    try:
        with stop.at_once(farewell="gone"):
            print("ready", flush=True)
            while True:
                time.sleep(0.005)
    finally:
        print("torn", flush=True)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_with_a_farewell_the_command_line_ends_on_the_spot(number):
    child = subprocess.Popen(
        [sys.executable, "-c", COMPILING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(60, child.kill)
    watchdog.start()
    with child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        out, err = child.communicate()
    watchdog.cancel()
    assert (child.returncode, out, err) == (128 + number, "", "bardling: gone\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_in_a_process_of_the_user_s_a_farewell_ends_nothing(number):
    with recorded(number), StopRequest() as stop, pytest.raises(Leave), stop.at_once("gone"):
        send(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_the_process_was_started_to_ignore_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with terminable(), StopRequest() as stop:
            send(number)
            assert not stop and StopRequest.heard_before == 0
            with stop.at_once():
                send(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_sigterm_unwinds_as_ctrl_c_does_where_no_run_is_going_on():
    with recorded(signal.SIGTERM) as seen:
        with pytest.raises(Terminated), terminable():
            send(signal.SIGTERM)
        send(signal.SIGTERM)  # and afterwards it means what it meant before
        assert seen == [signal.SIGTERM]
    assert issubclass(Terminated, KeyboardInterrupt)


def test_in_another_thread_nothing_is_installed():
    def run() -> None:
        with terminable():
            handlers.append(signal.getsignal(signal.SIGTERM))

    handlers, before = [], signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [before]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_an_import_swallowed_is_heeded_by_the_run(number):
    with recorded(signal.SIGTERM), terminable():
        with suppress(BaseException):  # as some packages do while they are imported
            send(number)
        with StopRequest() as stop:
            assert stop.signal_number == number
            with pytest.raises(Leave), stop.at_once():
                pass
    with StopRequest() as stop:
        assert not stop
