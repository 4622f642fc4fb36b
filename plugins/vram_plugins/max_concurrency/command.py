"""`vram max-concurrency`."""

from __future__ import annotations

from vram_plugins.max_context.inverse import Inverse, inverse_command

command = inverse_command(
    Inverse(
        name="max-concurrency",
        help="""The most requests of --max-model-len tokens that fit at once.

    \b
    vram max-concurrency Qwen/Qwen3-8B --gpu "RTX 4090" --max-model-len 8192
    """,
        limit="max_concurrency_at_context",
        sentence=lambda value, answer: f"{value:,} requests of {answer.deployment.max_model_len:,} tokens fit at once",
    )
)
