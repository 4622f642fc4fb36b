"""Building blocks for architecture adapters: a model reads like its definition.

    decoder(config, context, build=lambda kind: layer(gqa(...), gated_mlp(...), norms(...)))
"""

from __future__ import annotations

from vram.architecture.attention import gqa, kv_scales
from vram.architecture.decoder import Dimensions, decoder, dimensions, runs_by_kind
from vram.architecture.mlp import gated_mlp, moe, plain_mlp
from vram.architecture.parts import Part, bias_free_linear, layer, norm, norms
from vram.vllm.rope import read_ropes, rope_table

__all__ = [
    "Dimensions",
    "Part",
    "bias_free_linear",
    "decoder",
    "dimensions",
    "gated_mlp",
    "gqa",
    "kv_scales",
    "layer",
    "moe",
    "norm",
    "norms",
    "plain_mlp",
    "read_ropes",
    "rope_table",
    "runs_by_kind",
]
