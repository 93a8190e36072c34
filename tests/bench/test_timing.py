"""Turns and quantiles: what is counted, in which order; never how long it took."""

from __future__ import annotations

import pytest

from colorrt.bench.timing import ratio_of, summarize_times, take_turns


def test_runners_take_turns_and_warmups_are_not_counted() -> None:
    calls: list[tuple[str, int]] = []
    runners = {name: (lambda turn, name=name: calls.append((name, turn))) for name in ("a", "b")}
    taken = take_turns(runners, 2, warmups=1)
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert {name: len(times) for name, times in taken.items()} == {"a": 2, "b": 2}
    assert min(taken["a"] + taken["b"]) >= 0


def test_who_settles_runs_on_for_a_tenth_of_a_second_before_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    calls: list[str] = []

    def run(name: str, seconds: float) -> None:
        nonlocal now
        now += seconds
        calls.append(name)

    monkeypatch.setattr("time.perf_counter", lambda: now)
    slow_and_quick = {"slow": lambda _: run("slow", 1.0), "quick": lambda _: run("quick", 0.04)}
    taken = take_turns(slow_and_quick, 2, warmups=1, settle=True)
    assert calls == ["slow", "slow", "quick", "quick", "quick", "quick"] * 3
    assert taken["slow"] == pytest.approx([1000, 1000])
    assert taken["quick"] == pytest.approx([40, 40])
    calls.clear()
    take_turns({"slow": slow_and_quick["slow"]}, 2, warmups=1, settle=True)
    assert calls == ["slow"] * 3


def test_quantiles_of_known_times() -> None:
    times = summarize_times([float(value) for value in range(101)])
    assert (times.p50_ms, times.p90_ms, times.p99_ms, times.rounds) == (50, 90, 99, 101)


def test_no_times_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        summarize_times([])


def test_ratio_is_the_median_of_pairs_and_not_of_medians() -> None:
    # A machine that slows to a tenth in the last round does not change what is twice as fast.
    assert ratio_of([2.0, 4.0, 40.0], [1.0, 2.0, 20.0]) == 2.0
    assert ratio_of([1.0, 1.0, 9.0], [2.0, 1.0, 3.0]) == 1.0
