"""`vram max-context`."""

from __future__ import annotations

from vram_plugins.max_context.inverse import Inverse, inverse_command

command = inverse_command(
    Inverse(
        name="max-context",
        help="""The largest context (tokens per request) that fits at --concurrency requests.

    \b
    vram max-context Qwen/Qwen3-8B --gpu "RTX 4090" --concurrency 4
    """,
        limit="max_context_at_concurrency",
        cured=frozenset({"max_model_len", "cache_blocks", "kv_cache_length"}),
        sentence=lambda value, answer: f"{value:,} tokens per request fit with {answer.deployment.concurrency} at once",
    )
)
