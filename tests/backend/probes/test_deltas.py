"""Growth of counters and outages of links, as plain functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.events import LinkChange
from backend.probes.deltas import FLAP_S, Outage, flaps, growth, outages

counters = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2**64 - 1))


def test_growth_of_what_both_have() -> None:
    assert growth({"a": 1, "b": 5, "c": 7}, {"a": 4, "b": 5, "d": 9}) == {"a": 3}


def test_a_counter_that_was_reset_grew_by_what_it_shows() -> None:
    assert growth({"a": 100}, {"a": 3}) == {"a": 3}
    assert growth({"a": 100}, {"a": 0}) == {}


@given(counters, counters)
def test_growth_is_never_negative_or_more_than_the_counter(
    before: dict[str, int], after: dict[str, int]
) -> None:
    for name, amount in growth(before, after).items():
        assert 0 < amount <= after[name]


@given(counters, counters, counters)
def test_growth_adds_up_while_nothing_is_reset(
    first: dict[str, int], more: dict[str, int], still_more: dict[str, int]
) -> None:
    second = {name: value + more.get(name, 0) for name, value in first.items()}
    third = {name: value + still_more.get(name, 0) for name, value in second.items()}
    together = growth(first, third)
    parts = [growth(first, second), growth(second, third)]
    assert together == {
        name: amount for name in first if (amount := sum(part.get(name, 0) for part in parts))
    }


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
