"""Engine arguments that this program writes as words of a command are read from them as they were."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vram.serving.command import parse_words
from vram.serving.words import serve_flags_of
from vram.vllm.versions import NEWEST

_word = st.from_regex(r"[A-Za-z][\w./-]{0,12}", fullmatch=True).filter(lambda word: word != "None")
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_word, inner, max_size=3),
    max_leaves=6,
)
_object = st.dictionaries(_word, _json, max_size=3)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "tensor_parallel_size": st.integers(1, 2**20),
        "max_model_len": st.integers(1, 2**40) | st.just(-1),
        "max_num_seqs": st.integers(1, 2**20),
        "kv_cache_memory_bytes": st.integers(1, 2**50),
        "gpu_memory_utilization": st.floats(1e-6, 1),
        "cpu_offload_gb": st.floats(0, 1e6),
        "dtype": st.sampled_from(["auto", "half", "bfloat16"]),
        "quantization": _word | st.just("-x"),
        "enforce_eager": st.booleans(),
        "enable_prefix_caching": st.booleans(),
        "kv_cache_dtype_skip_layers": st.lists(_word, min_size=1, max_size=4),
        "hf_overrides": _object,
        "mm_processor_kwargs": _object,
        "limit_mm_per_prompt": st.dictionaries(st.sampled_from(["image", "video"]), st.integers(0, 9)),
        "speculative_config": st.fixed_dictionaries({"method": _word, "num_speculative_tokens": st.integers(1, 9)}),
    },
)


@given(ARGUMENTS)
def test_what_is_written_is_read(arguments: dict[str, Any]) -> None:
    words = [word for flag in serve_flags_of(arguments, NEWEST) for word in flag]
    command = parse_words(["vllm", "serve", "a/b", *words])
    assert (command.model, command.refusals, command.unknown) == ("a/b", (), ())
    assert command.engine_args == arguments
