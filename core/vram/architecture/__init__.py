"""Building blocks for architecture adapters: a model reads like its definition.

Most decoders are a `DecoderFamily` (or `ExpertFamily`) that says in attributes how it differs from Llama:

    class Novel(DecoderFamily):
        architectures = ("NovelForCausalLM",)
        defaults = {"tie_word_embeddings": True}
        qk_norm = "head"
        names = Names(norms=("pre_norm", "post_norm"))

Others put layers together from blocks: `layer(gqa(...), gated_mlp(...), norms(...))`, runs of them with `runs_by_kind`,
and the whole with `decoder(...)`.
"""

from __future__ import annotations

from vram.architecture.attention import gqa, kv_scales
from vram.architecture.decoder import Dimensions, decoder, dimensions, runs_by_kind
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import DecoderFamily, Frame, LayerKind, Names
from vram.architecture.mlp import gated_mlp, moe, plain_mlp, routing_method
from vram.architecture.parts import Part, bias_free_linear, layer, norm, norms
from vram.architecture.placement import attention_types, expert_layers, layer_windows
from vram.architecture.reading import overridden, with_defaults
from vram.vllm.rope import read_ropes, rope_table

__all__ = [
    "DecoderFamily",
    "Dimensions",
    "ExpertFamily",
    "Frame",
    "LayerKind",
    "Names",
    "Part",
    "attention_types",
    "bias_free_linear",
    "decoder",
    "dimensions",
    "expert_layers",
    "gated_mlp",
    "gqa",
    "kv_scales",
    "layer",
    "layer_windows",
    "moe",
    "norm",
    "norms",
    "overridden",
    "plain_mlp",
    "read_ropes",
    "rope_table",
    "routing_method",
    "runs_by_kind",
    "with_defaults",
]
