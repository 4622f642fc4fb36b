"""Voxtral Realtime: a causal Whisper that keeps a cache of its own, and Mistral whose layers hear how late they are.

Sources: vLLM 0.33.0 `voxtral_realtime.py`, `whisper_causal.py`, `mistral.py`, `transformers_utils/configs/mistral.py`. Its
attention runs on FlashAttention and Triton alone; where vLLM would choose FlashInfer (Blackwell) it asks for
`--attention-backend`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import gqa, norm, norms
from vram.architecture.audio import AudioShape, audio_encoder, audio_shape, stem
from vram.architecture.mlp import gated_mlp
from vram.architecture.parts import Part, layer
from vram.architecture.reading import needed_section
from vram.architecture.towers import dense, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, ceil_div
from vram.models.record import evolve
from vram.models.spec import LayerRun, ModelSpec
from vram.vllm.rope import Rope, rope_table
from vram_plugins.architectures.audio_lm import voxtral_adapter
from vram_plugins.architectures.language import text_section, text_spec

_AT = "whisper_encoder.whisper_encoder."


class VoxtralRealtime(ArchitectureAdapter):
    """Every pipeline rank's share of the encoder is counted on the first."""

    name = "VoxtralRealtimeGeneration"
    architectures = ("VoxtralRealtimeGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="mistral", text_ties=True)
        text = text_spec(section, config, context, architecture="MistralForCausalLM")
        if section.flag("ada_rms_norm_t_cond"):
            text = _conditioned(text, section.integer("ada_rms_norm_t_cond_dim"))
        audio = needed_section(config, "audio_config")
        shape = audio_shape(audio)
        joined = audio.integer("downsample_factor")
        modules = (
            *stem(shape, _AT),
            norm(f"{_AT}layer_norm", shape.width),
            _table(audio, shape),
            *voxtral_adapter(audio, shape, joined, text.hidden_size),
            Tensor(name="time_embedding.inv_freq", shape=(text.hidden_size // 2,), dtype="float32", buffer=True),
        )
        tokens = context.max_model_len or text.max_model_len
        sound = audio_encoder(shape, tokens=tokens, output_width=shape.width * joined)
        outer = multimodal(text, config, modules=modules, encoders=(sound,), modalities=("audio",))
        hears = LayerRun(layer=layer(*_layer(audio, shape)), indices=(0,) * shape.layers, prefix=f"{_AT}layers")
        return evolve(outer, runs=(*outer.runs, hears))


def _conditioned(text: ModelSpec, dim: int) -> ModelSpec:
    """Two linears more in each layer, without a quantization config."""
    name, width = "ada_rms_norm_t_cond.", text.hidden_size
    more: tuple[Module, ...] = (
        dense(f"{name}0", width, dim, parallel="column", bias=False, quantizable=False),
        dense(f"{name}2", dim, width, parallel="row", bias=False, quantizable=False),
    )
    runs = tuple(evolve(run, layer=evolve(run.layer, modules=run.layer.modules + more)) for run in text.runs)
    return evolve(text, runs=runs)


def _layer(audio: ModelConfig, shape: AudioShape) -> tuple[Part | tuple[Module, ...], ...]:
    """Attention over a window of its own states, `block_pool_size` of them for each token of the text."""
    pooled = audio.integer("block_pool_size", default=1)
    window = audio.integer("sliding_window", default=0, low=0)
    if pooled < 2 or not window:  # `whisper_causal.py` asserts both
        raise audio.error("block_pool_size" if pooled < 2 else "sliding_window", "is missing, which vLLM asks for")
    dim = audio.integer("encoder_head_dim", default=shape.width // shape.heads)
    part = gqa(
        hidden_size=shape.width,
        num_heads=shape.heads,
        num_kv_heads=shape.heads,
        head_dim=dim,
        qkv_bias=True,
        out_bias=True,
        out_name="out_proj",
    )
    cache = AttentionCache(
        kind="sliding_window",
        num_kv_heads=shape.heads,
        head_size=dim,
        head_size_v=dim,
        window=ceil_div(window, pooled) + 1,
        states_per_token=pooled,
    )
    return (
        Part(modules=part.modules, caches=(cache,)),
        gated_mlp(hidden_size=shape.width, intermediate_size=shape.mlp_width, down_bias=True),
        norms(shape.width, "self_attn_layer_norm", "final_layer_norm"),
    )


def _table(audio: ModelConfig, shape: AudioShape) -> Tensor:
    rope = Rope(kind="default", factor=1.0, original_max_position=None, partial=1.0, mrope=False, theta=1e6)
    dim = audio.integer("encoder_head_dim", default=shape.width // shape.heads)
    table = rope_table(rope, head_dim=dim, max_position=audio.integer("max_position_embeddings"))
    return evolve(table, name=f"{_AT}rotary_emb.cos_sin_cache")


def adapters() -> Iterable[ArchitectureAdapter]:
    """Voxtral Realtime."""
    return [VoxtralRealtime()]
