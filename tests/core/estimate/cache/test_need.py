"""Step functions of the length, and their inverse."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vram.estimate.cache.need import longest, merged, needed

UNBOUNDED = 2**62
TERM = st.tuples(
    st.integers(1, 50),
    st.integers(1, 300),
    st.one_of(st.integers(0, 20_000), st.just(UNBOUNDED)),
    st.integers(0, 5),
)


def test_a_need_is_whole_steps_up_to_its_bound() -> None:
    # 3 × (ceil(100 / 16) + 1), then 3 × (ceil(64 / 16) + 1) where the term stops growing at 64
    assert needed(((3, 16, UNBOUNDED, 1),), 100) == 3 * 8
    assert needed(((3, 16, 64, 1),), 100) == 3 * 5


def test_equal_terms_are_added_up() -> None:
    assert merged([(1, 16, 64, 1), (2, 16, 64, 1), (1, 16, UNBOUNDED, 0)]) == ((3, 16, 64, 1), (1, 16, UNBOUNDED, 0))


@given(terms=st.lists(TERM, min_size=1, max_size=5), budget=st.integers(0, 10**6), upper=st.integers(1, 10**6))
def test_the_longest_length_is_the_last_that_fits(
    terms: list[tuple[int, int, int, int]], budget: int, upper: int
) -> None:
    parts = tuple(terms)

    length = longest(parts, budget, upper)

    assert 0 <= length <= upper
    if length:
        assert needed(parts, length) <= budget
    if length < upper:
        assert needed(parts, length + 1) > budget
