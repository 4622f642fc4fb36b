"""Step functions of the length, and their inverse."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vram.estimate.cache.need import longest, merged, needed, term
from vram.estimate.cache.specs import PageSpec, Span

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


def spec(span: Span, **changes: Any) -> PageSpec:
    return PageSpec(**{"kind": "k", "span": span, "block_size": 16, "page_bytes": 1, "unpadded_bytes": 1, **changes})


def test_blocks_of_each_kind_by_vllms_formulas(make_context) -> None:
    # 2 × 2048 tokens in flight (asynchronous scheduling), 2048 of an encoder
    where = make_context("0.33.0")
    assert needed((term(spec("full"), where),), 33) == 3  # ceil(33 / 16)
    window = (term(spec("window", window=1024), where),)
    # ceil(min(1024 - 1 + 4096, L) / 16) + 1: 5119 tokens at most
    assert [needed(window, length) for length in (5104, 5105, 5119, 10**6)] == [320, 321, 321, 321]
    shorter = (term(spec("window", window=1010), where),)  # 5105 tokens are 320 blocks, 5104 of 1009 would be 319
    assert needed(shorter, 10**6) == 321
    assert needed((term(spec("window", window=1009), where),), 10**6) == 320
    chunk = (term(spec("chunk", window=1008), where),)  # ceil(min(1008 + 4096, L) / 16)
    assert [needed(chunk, length) for length in (5088, 5089, 10**6)] == [318, 319, 319]
    assert needed((term(spec("encoder"), where),), 7) == 128  # 2048 / 16, however long the request is
    assert needed((term(spec("state", state_blocks=3), where),), 10**6) == 3
    per_block = (term(spec("state", state_blocks=2, state_per_block=True), where),)
    assert needed(per_block, 33) == 3 + 2
    # a whole request is one block; a weight counts it several times
    assert term(spec("state", block_size=0, state_blocks=1), where, 5)[0] == 5
    assert needed((term(spec("state", block_size=0, state_blocks=1), where, 5),), 10**6) == 5


def test_decode_context_parallelism_lengthens_the_steps_of_full_attention(make_context) -> None:
    where = make_context("0.33.0", decode_context_parallel_size=4)
    assert needed((term(spec("full"), where),), 65) == 2
    assert needed((term(spec("window", window=10**5), where),), 65) == 5 + 1


def test_one_token_fits_where_two_do_not() -> None:
    assert longest(((1, 1, UNBOUNDED, 0),), 1, 9) == 1
    assert longest(((1, 1, UNBOUNDED, 0),), 0, 9) == 0
    # beside a window that grows with it, and beside another growing term
    assert longest(((1, 1, UNBOUNDED, 0), (1, 1, 10, 0)), 3, 100) == 1
    assert longest(((1, 1, UNBOUNDED, 0), (1, 2, UNBOUNDED, 0)), 2, 100) == 1
    assert longest(((1, 1, UNBOUNDED, 0),), 5, 0) == 0
    assert longest(((1, 1, UNBOUNDED, 0),), 5, 1) == 1


def test_the_bound_of_a_window_itself_may_be_the_answer() -> None:
    # 32 blocks of the window, 2 of 16 tokens: 34 hold just 32 tokens
    terms = ((1, 16, UNBOUNDED, 0), (1, 1, 32, 0))
    assert [longest(terms, budget, 1000) for budget in (33, 34, 35)] == [31, 32, 48]


def test_blocks_besides_take_room_from_the_growing_term() -> None:
    # 20 blocks less 10 of the window less 2 besides are 8 steps of 16 tokens
    assert longest(((1, 16, UNBOUNDED, 2), (1, 1, 10, 0)), 20, 1000) == 8 * 16
