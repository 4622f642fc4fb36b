"""A spec is built again only where its adapter looked at what differs."""

from __future__ import annotations

from itertools import count

from attrs import evolve

from vram.architecture.shelf import SpecShelf
from vram.models.adapter import BuildContext
from vram.models.spec import ModelSpec

CONTEXT = BuildContext()


COUNT = count()


def spec(name: str = "") -> ModelSpec:
    return ModelSpec(
        architecture=name or f"X{next(COUNT)}", dtype="bfloat16", hidden_size=1, vocab_size=1, num_attention_heads=1, max_model_len=1,
        derived_max_model_len=1, num_layers=0, runs=(), placed=(),
    )  # fmt: skip


def reading(_: object) -> ModelSpec:
    return spec()


def test_contexts_that_differ_in_what_nobody_read_share_a_spec() -> None:
    shelf = SpecShelf()
    first = shelf.find("m", CONTEXT, lambda context: reading(context.vllm_version))
    assert shelf.find("m", evolve(CONTEXT, tensor_parallel_size=8), lambda _: spec()) is first


def test_what_was_read_is_built_anew_when_it_differs() -> None:
    shelf = SpecShelf()
    first = shelf.find("m", CONTEXT, lambda context: reading(context.tensor_parallel_size))
    assert shelf.find("m", evolve(CONTEXT, tensor_parallel_size=8), lambda _: spec()) is not first
    assert shelf.find("m", CONTEXT, lambda _: spec()) is first


def test_models_do_not_share() -> None:
    shelf = SpecShelf()
    assert shelf.find("a", CONTEXT, lambda _: spec()) is not shelf.find("b", CONTEXT, lambda _: spec())


def test_a_context_that_is_changed_or_hashed_was_read_as_a_whole() -> None:
    for look in (lambda context: evolve(context, max_model_len=1), hash, lambda context: context == CONTEXT):
        shelf = SpecShelf()

        def build(context: BuildContext, look: object = look) -> ModelSpec:
            look(context)  # type: ignore[operator]
            return spec()

        first = shelf.find("m", CONTEXT, build)
        assert shelf.find("m", evolve(CONTEXT, compute_capability=(8, 9)), build) is not first


def test_the_shelf_is_bounded() -> None:
    shelf = SpecShelf(most_models=2)
    first = shelf.find("a", CONTEXT, lambda _: spec())
    shelf.find("b", CONTEXT, lambda _: spec())
    shelf.find("c", CONTEXT, lambda _: spec())
    assert shelf.find("a", CONTEXT, lambda _: spec()) is not first


def test_specs_that_are_the_same_in_everything_are_one() -> None:
    shelf = SpecShelf()

    def build(context: BuildContext) -> ModelSpec:
        return spec(f"longer than {min(context.max_model_len or 0, 100)}")

    short, long, longer = (shelf.find("m", evolve(CONTEXT, max_model_len=size), build) for size in (50, 100, 200))
    assert long is longer
    assert short is not long


def test_the_specs_of_one_model_are_bounded_and_what_they_were_built_from_is_known() -> None:
    shelf = SpecShelf()
    for size in range(1, 200):
        shelf.find("m", evolve(CONTEXT, max_model_len=size), lambda context: reading(context.max_model_len))
    first = shelf.find("m", evolve(CONTEXT, max_model_len=199), lambda _: spec())
    assert shelf.find("m", evolve(CONTEXT, max_model_len=199), lambda _: spec()) is first
    assert (shelf.reads("m", "max_model_len"), shelf.reads("m", "tensor_parallel_size")) == (True, False)
    assert not shelf.reads("another", "max_model_len")
