"""What vLLM calls the pooling forms of a generating architecture. Source: `vram.architecture.pooling`."""

from __future__ import annotations

GENERATING = ("ForCausalLM", "LMHeadModel")
EMBEDDING = ("Model",)
CLASSIFYING = ("ForSequenceClassification", "ForTokenClassification")


def pooling_names(generating: str) -> tuple[str, ...]:
    """Names of its embedding and classification forms; none where it does not generate."""
    for suffix in GENERATING:
        if generating.endswith(suffix):
            stem = generating.removesuffix(suffix)
            return tuple(stem + form for form in (*EMBEDDING, *CLASSIFYING))
    return ()
