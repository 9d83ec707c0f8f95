"""The meter: tokens by seconds, and nothing before the first."""

from bardling.machine.meter import Meter


def test_rate_is_all_tokens_by_all_seconds():
    meter = Meter()
    assert meter.rate == 0.0
    meter.add(100, 0.5)
    assert meter.rate == 200.0
    meter.add(300, 1.5)
    assert meter.rate == 200.0
    meter.add(0, 2.0)
    assert meter.rate == 100.0
    assert (meter.tokens, meter.seconds) == (400, 4.0)


def test_a_clock_that_stands_still_gives_no_rate():
    meter = Meter()
    meter.add(100, 0.0)
    assert meter.rate == 0.0
