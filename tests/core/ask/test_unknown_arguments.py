"""A misspelt argument of the library names the right one: of vLLM's, of the function that was called, or of an option's short name."""

from __future__ import annotations

import click
import pytest

import vram
from vram.commands import engine_options, hardware_options, workload_options
from vram.errors import UnknownNameError
from vram.models.deployment import ENGINE_DEFAULTS, EngineArgs
from vram.models.engine_arguments import EstimateArguments

MODEL = "Qwen/Qwen3-8B"


def near(typed: str, *beside: str) -> tuple[str, ...]:
    """What is suggested for an argument that is typed so."""
    with pytest.raises(UnknownNameError) as caught:
        EngineArgs.from_mapping({typed: 2}, beside=beside)
    return caught.value.near()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tp", "tensor_parallel_size"),
        ("pp", "pipeline_parallel_size"),
        ("dp", "data_parallel_size"),
        ("c", "max_model_len"),
        ("max_seq_len", "max_model_len"),
        ("max-model-len", "max_model_len"),
        ("max_model_length", "max_model_len"),
        ("kv_dtype", "kv_cache_dtype"),
        ("env", "environment"),
        ("gpuu", "gpu, gpus"),
        ("concurency", "concurrency"),
        ("vram_gib", "gpu_memory_gib"),
        ("batch", "concurrency"),
        ("headroom_gib", "policy"),
    ],
)
@pytest.mark.parametrize("function", [vram.estimate, vram.max_context, vram.min_gpus, vram.plan])
def test_an_argument_that_nobody_has(function, typed: str, meant: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        function(MODEL, **{typed: 2})
    assert str(caught.value) == f"Unknown argument {typed!r}. Did you mean {meant}?"


def test_the_functions_own_arguments_are_what_is_suggested() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown argument 'gpu'. Did you mean gpus\?"):
        vram.compare(MODEL, gpu="H100")
    with pytest.raises(UnknownNameError, match=r"Did you mean prompt_tokens\?"):
        vram.plan(MODEL, promt_tokens=2)


def test_where_vllms_arguments_alone_count_no_other_is_suggested() -> None:
    assert "gpu_memory_utilization" in near("gpu_memory_utilisation")
    assert not {"gpu", "gpus"} & set(near("gpuu"))


def test_every_spelling_of_an_option_leads_to_an_argument_of_the_library() -> None:
    """Options as click declares them: what one may type there, typed as an argument, names the one that it sets."""

    @engine_options
    @hardware_options
    @workload_options
    def command() -> None:
        """None."""

    accepted = tuple(EstimateArguments.__annotations__)
    beside = tuple(name for name in accepted if name not in ENGINE_DEFAULTS)
    for option in click.command()(command).params:
        for spelling in option.opts:
            typed = spelling.lstrip("-").replace("-", "_")
            if typed not in accepted:
                (meant,) = near(typed, *beside)
                assert meant in accepted, spelling
                assert option.name not in accepted or meant == option.name
