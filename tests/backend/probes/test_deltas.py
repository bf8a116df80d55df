"""Growth of counters and outages of links, as plain functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.events import LinkChange
from backend.probes.deltas import FLAP_S, Outage, Tally, flaps, outages

counters = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2**64 - 1))


def grown(*answers: dict[str, int]) -> list[dict[str, int]]:
    """What grew with each answer, one every ten seconds."""
    tally = Tally()
    return [tally.take(counters, 10.0 * index)[0] for index, counters in enumerate(answers)]


def test_growth_of_what_both_answers_have() -> None:
    tally = Tally()
    assert tally.take({"a": 1, "b": 5, "c": 7}, 100.0) == ({}, None)
    assert tally.take({"a": 4, "b": 5, "d": 9}, 160.0) == ({"a": 3}, 60.0)


def test_a_counter_that_a_reboot_set_back_counts_from_there_on() -> None:
    assert grown({"a": 100}, {"a": 3}, {"a": 3}, {"a": 5}) == [{}, {}, {}, {"a": 2}]
    assert grown({"a": 100}, {"a": 0}, {"a": 0}, {"a": 0}) == [{}, {}, {}, {}]


def test_a_zero_in_the_midst_is_a_query_that_failed() -> None:
    """npu-smi prints zeros where a query fails: what comes back after it has not grown."""
    assert grown({"a": 100}, {"a": 0}, {"a": 100}, {"a": 101}) == [{}, {}, {}, {"a": 1}]
    assert grown({"a": 100}, {"a": 0}, {"a": 102}) == [{}, {}, {"a": 2}]
    assert grown({"a": 100}, {}, {"a": 100}) == [{}, {}, {}]


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    tally = Tally()
    tally.take({"a": 1}, 1000.0)
    assert tally.take({"a": 2}, 400.0) == ({"a": 1}, 0.0)


@given(st.lists(counters, max_size=6))
def test_growth_is_never_negative_or_more_than_the_counter(answers: list[dict[str, int]]) -> None:
    for shown, amounts in zip(answers, grown(*answers), strict=True):
        for name, amount in amounts.items():
            assert 0 < amount <= shown[name]


@given(st.lists(counters, min_size=2, max_size=6))
def test_growth_adds_up_while_nothing_is_reset(steps: list[dict[str, int]]) -> None:
    answers = [dict.fromkeys("abcdef", 0)]
    for step in steps:
        answers.append({name: value + step.get(name, 0) for name, value in answers[-1].items()})
    for name in "abcdef":
        assert sum(amounts.get(name, 0) for amounts in grown(*answers)) == answers[-1][name]


DOWN_UP = (
    LinkChange(1000.0, False),
    LinkChange(1002.0, True),
    LinkChange(2000.0, False),
    LinkChange(2060.0, True),
    LinkChange(3000.0, False),
)


def test_outages_since_a_moment() -> None:
    assert outages(reversed(DOWN_UP), 0.0) == (
        Outage(1000.0, 1002.0),
        Outage(2000.0, 2060.0),
        Outage(3000.0, None),
    )
    assert outages(DOWN_UP, 2030.0) == (Outage(2000.0, 2060.0), Outage(3000.0, None))


def test_only_long_outages_that_began_in_the_job_are_flaps() -> None:
    assert flaps(DOWN_UP, 0.0, 3010.0) == (Outage(2000.0, 2060.0),)
    assert flaps(DOWN_UP, 0.0, 3000.0 + FLAP_S + 1) == (Outage(2000.0, 2060.0), Outage(3000.0, None))
    assert flaps(DOWN_UP, 2001.0, 3010.0) == ()


def test_ports_are_told_apart_and_up_within_the_same_second_ends_it() -> None:
    changes = (
        LinkChange(10.0, False, "0/4"),
        LinkChange(20.0, True, "0/5"),
        LinkChange(30.0, True, "0/4"),
        LinkChange(30.0, False, "0/4"),
    )
    # of 0/4: down at 10, then down again and up within second 30; the later beginning is believed
    assert outages(changes, 0.0) == (Outage(30.0, 30.0, "0/4"),)


@given(st.lists(st.builds(LinkChange, st.floats(0, 1e9), st.booleans(), st.sampled_from(["", "0/4"]))))
def test_outages_end_after_they_begin(changes: list[LinkChange]) -> None:
    for outage in outages(changes, 0.0):
        assert outage.up_at is None or outage.up_at >= outage.down_at
