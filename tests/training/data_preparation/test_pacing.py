"""How fast calls may start, by a clock that the test turns."""

from training.data_preparation.pacing import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_limits_nobody_waits() -> None:
    pace = Pace(Clock())
    assert [pace.reserve(1_000_000) for _ in range(3)] == [0, 0, 0]


def test_requests_are_spread_over_the_minute() -> None:
    pace = Pace(Clock(), requests_per_minute=30)
    assert [pace.reserve(1) for _ in range(3)] == [0, 2, 4]


def test_a_call_of_many_tokens_holds_up_the_next_one() -> None:
    pace = Pace(Clock(), tokens_per_minute=6_000)
    assert [pace.reserve(1_000), pace.reserve(100), pace.reserve(100)] == [0, 10, 11]


def test_what_the_server_asks_for_holds_for_all() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.hold(7)
    pace.hold(3)
    assert pace.reserve(1) == 7
    clock.now += 7
    assert pace.reserve(1) == 0 == pace.held
