"""Whisper: an audio encoder and a decoder that attends to it.

Source: vLLM 0.32.0 `whisper.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Part, gqa, kv_scales, layer, norm, norms, plain_mlp, runs_by_kind
from vram.architecture.audio import audio_encoder, audio_shape, whisper_encoder
from vram.architecture.decoder import model_dtype
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Placed, Split, Tensor
from vram.models.spec import ModelSpec
from vram.vllm.rope import derived_max_model_len


def cross_attention(width: int, heads: int, *, name: str = "encoder_attn") -> Part:
    """Attention over the encoder's output: q (W, W) and fused k, v (2·W, W) by heads, out (W, W), all with bias."""
    part = Split(size=width, units=heads)
    modules = (
        Linear(name=f"{name}.q_proj", inputs=width, outputs=(part,), bias=True, sources=(f"{name}.q_proj",)),
        Linear(
            name=f"{name}.kv_proj",
            inputs=width,
            outputs=(part, part),
            bias=True,
            sources=(f"{name}.k_proj", f"{name}.v_proj"),
        ),
        Linear(
            name=f"{name}.out_proj",
            inputs=width,
            outputs=(Split(size=width),),
            parallel="row",
            bias=True,
            sources=(f"{name}.out_proj",),
        ),
        kv_scales(),
    )
    dim = width // heads
    cache = AttentionCache(kind="cross_attention", num_kv_heads=heads, head_size=dim, head_size_v=dim)
    return Part(modules=modules, caches=(cache,))


class Whisper(ArchitectureAdapter):
    """Whisper; embeddings are tied and held whole on every rank, and vLLM refuses pipeline parallelism."""

    name = "WhisperForConditionalGeneration"
    architectures = ("WhisperForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        del context
        shape = audio_shape(config)
        width = shape.width
        heads = config.integer("decoder_attention_heads", default=shape.heads)
        if width % heads:
            raise config.error("decoder_attention_heads", f"is {heads}, which does not divide d_model {width}")
        targets = config.integer("max_target_positions", default=448)
        block = layer(
            gqa(
                hidden_size=width,
                num_heads=heads,
                num_kv_heads=heads,
                head_dim=width // heads,
                qkv_bias=True,
                out_bias=True,
                out_name="out_proj",
            ),
            cross_attention(width, heads),
            plain_mlp(hidden_size=width, intermediate_size=config.integer("decoder_ffn_dim", default=4 * width)),
            norms(width, "self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm", bias=True),
        )
        layers = config.integer("decoder_layers", default=shape.layers)
        vocab = config.integer("vocab_size")
        at = "model.decoder."
        modules = (
            *whisper_encoder(shape, "model.encoder."),
            Embedding(
                name=f"{at}embed_tokens", rows=vocab, columns=width, sharded=False, sources=(f"{at}embed_tokens",)
            ),
            Tensor(name=f"{at}embed_positions", shape=(targets, width)),
            norm(f"{at}layer_norm", width, bias=True),
        )
        length = derived_max_model_len(config, default_length=targets)
        return ModelSpec(
            architecture=config.architecture,
            dtype=model_dtype(config, config),
            hidden_size=width,
            vocab_size=vocab,
            num_attention_heads=heads,
            max_model_len=length,
            derived_max_model_len=length,
            num_layers=layers,
            runs=runs_by_kind(["layer"] * layers, lambda _: block, prefix="model.decoder.layers"),
            placed=tuple(Placed(module=module, stage="every") for module in modules),
            encoders=(audio_encoder(shape, tokens=shape.positions),),
            hints=frozenset({"encoder_decoder"}),
        )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Whisper."""
    return [Whisper()]
