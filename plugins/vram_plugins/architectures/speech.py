"""Speech models beside Qwen's and Voxtral: Ultravox, Audio Flamingo 3, Qwen3-ASR, Granite Speech.

Sources: vLLM 0.32.0 `ultravox.py`, `audioflamingo3.py`, `qwen3_asr.py`, `granite_speech.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.audio import (
    audio_encoder,
    audio_shape,
    qwen2_audio_tower,
    qwen3_omni_audio_tower,
    stem,
    whisper_encoder,
)
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vit import CLIP_NAMES, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, ceil_div
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.blip2 import QFORMER_DEFAULTS, qformer
from vram_plugins.architectures.config_defaults import TEXT_DEFAULTS
from vram_plugins.architectures.language import filled, text_section, text_spec

_AUDIO = ("audio",)
_GRANITE_SECONDS = 30


class Ultravox(ArchitectureAdapter):
    """Ultravox: vLLM's Whisper encoder, frames stacked, a gated projector whole on every rank."""

    name = "UltravoxModel"
    architectures = ("UltravoxModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        if config.sub("text_config") is None:
            raise config.error("text_config", "is missing; the language model is that of another repository")
        text = text_spec(text_section(config, model_type="llama"), config, context)
        shape = audio_shape(optional_section(config, "audio_config"))
        stacked = shape.width * config.integer("stack_factor", default=8)
        hidden = config.integer("hidden_size", default=4096)
        gated = config.string("projector_act", default="swiglu") == "swiglu"
        middle = hidden // 2 if gated else hidden
        at = "multi_modal_projector."
        last = (
            norm(f"{at}ln_mid", middle) if config.flag("projector_ln_mid") else norm(f"{at}ln_post", text.hidden_size)
        )
        modules = (
            *whisper_encoder(shape, "audio_tower."),
            norm(f"{at}ln_pre", stacked),
            dense(f"{at}linear_1", stacked, hidden, bias=False),
            dense(f"{at}linear_2", middle, text.hidden_size, bias=False),
            last,
        )
        tokens = ceil_div(shape.positions, config.integer("stack_factor", default=8))
        return multimodal(
            text, config, modules=modules, encoders=(audio_encoder(shape, tokens=tokens),), modalities=_AUDIO
        )


class AudioFlamingo3(ArchitectureAdapter):
    """Audio Flamingo 3 and Music Flamingo: transformers' encoder, two linears, Qwen2."""

    name = "AudioFlamingo3ForConditionalGeneration"
    architectures = ("AudioFlamingo3ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="qwen2"), config, context)
        shape = audio_shape(optional_section(config, "audio_config"))
        bias = config.flag("projector_bias", default=True)
        modules = (
            *qwen2_audio_tower(shape, "audio_tower."),
            convolution("multi_modal_projector.linear_1", text.hidden_size, shape.width, bias=bias),
            convolution("multi_modal_projector.linear_2", text.hidden_size, text.hidden_size, bias=bias),
        )
        sound = audio_encoder(shape, tokens=shape.positions // 2)
        return multimodal(text, config, modules=modules, encoders=(sound,), modalities=_AUDIO)


class Qwen3ASR(ArchitectureAdapter):
    """Qwen3-ASR: Qwen3-Omni's audio tower and Qwen3."""

    name = "Qwen3ASRForConditionalGeneration"
    architectures = ("Qwen3ASRForConditionalGeneration", "Qwen3ASRRealtimeGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        thinker = config.sub("thinker_config") or config
        inner = filled(thinker.text(), {"max_position_embeddings": 128000})
        section = text_section(config, model_type="qwen3", section=inner)
        text = text_spec(section, config, context, architecture="Qwen3ForCausalLM")
        audio = optional_section(thinker, "audio_config")
        shape = audio_shape(audio)
        modules = qwen3_omni_audio_tower(
            shape,
            "audio_tower.",
            channels=audio.integer("downsample_hidden_size", default=480),
            output=audio.integer("output_dim", default=3584),
        )
        sound = audio_encoder(shape, tokens=ceil_div(2 * shape.positions, 100) * 13)
        renames = (
            ("thinker.lm_head.", "language_model.lm_head."),
            ("thinker.model.", "language_model.model."),
            ("thinker.", ""),
            ("model.audio_tower.", "audio_tower."),
            ("model.language_model.", "language_model.model."),
            ("model.multi_modal_projector.linear_1.", "audio_tower.proj1."),
            ("model.multi_modal_projector.linear_2.", "audio_tower.proj2."),
        )
        return multimodal(text, config, modules=modules, encoders=(sound,), renames=renames, modalities=_AUDIO)


class GlmAsr(ArchitectureAdapter):
    """GLM-ASR: a Whisper-like encoder with rotary positions, four frames joined, Llama."""

    name = "GlmAsrForConditionalGeneration"
    architectures = ("GlmAsrForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        inner = filled(optional_section(config, "text_config"), TEXT_DEFAULTS["glmasr"])
        text = text_spec(text_section(config, model_type="llama", tied=True, section=inner), config, context)
        audio = optional_section(config, "audio_config")
        shape = audio_shape(
            filled(audio, {"max_source_positions": audio.integer("max_position_embeddings", default=1500)})
        )
        head_dim = audio.integer("head_dim", default=shape.width // shape.heads)
        at, middle = "multi_modal_projector.", 2 * text.hidden_size
        partial = audio.sub("rope_parameters") or audio
        rotated = int(head_dim * partial.number("partial_rotary_factor", default=0.5))
        modules = (
            *stem(shape, "audio_tower."),
            *blocks(
                "audio_tower.layers",
                count=shape.layers,
                width=shape.width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=evolve(CLIP_NAMES, out="self_attn.o_proj"),
                head_dim=head_dim,
                kv_heads=audio.integer("num_key_value_heads", default=shape.heads),
            ),
            norm("audio_tower.norm", shape.width, bias=True),
            Tensor(name="audio_tower.rotary_emb.inv_freq", shape=(rotated // 2,), dtype="float32", buffer=True),
            dense(f"{at}linear_1", shape.mlp_width, middle, parallel="column"),
            dense(f"{at}linear_2", middle, text.hidden_size, parallel="row"),
        )
        joined = max(shape.mlp_width // shape.width, 1)
        sound = audio_encoder(shape, tokens=shape.positions // joined)
        return multimodal(text, config, modules=modules, encoders=(sound,), modalities=_AUDIO)


def _conformer(config: ModelConfig) -> tuple[Module, ...]:
    """Granite's Conformer: feed-forward halves divided over ranks, attention and convolutions whole."""
    width = config.integer("hidden_dim", default=1024)
    count = config.integer("num_layers", default=10)
    heads = config.integer("num_heads", default=8)
    dim = config.integer("dim_head", default=width // heads)
    inner = width * config.integer("feedforward_mult", default=4)
    wide = width * config.integer("conv_expansion_factor", default=2)
    output = config.integer("output_dim", default=42)
    block = "encoder.layers.0."
    modules: list[Module] = [
        dense("encoder.input_linear", config.integer("input_dim", default=160), width, quantizable=False),
        dense("encoder.out", width, output, parallel="column"),
        dense("encoder.out_mid", output, width, parallel="row"),
    ]
    for half in ("ff1", "ff2"):
        modules += [
            norm(f"{block}{half}.pre_norm", width, bias=True, count=count),
            dense(f"{block}{half}.up_proj", width, inner, parallel="column", quantizable=False, count=count),
            dense(f"{block}{half}.down_proj", inner, width, parallel="row", quantizable=False, count=count),
        ]
    return (
        *modules,
        norm(f"{block}attn.pre_norm", width, bias=True, count=count),
        convolution(f"{block}attn.to_q", heads * dim, width, bias=False, count=count),
        convolution(f"{block}attn.to_kv", 2 * heads * dim, width, bias=False, count=count),
        convolution(f"{block}attn.to_out", width, heads * dim, count=count),
        Tensor(
            name=f"{block}attn.rel_pos_emb",
            shape=(2 * config.integer("max_pos_emb", default=512) + 1, dim),
            count=count,
        ),
        norm(f"{block}conv.norm", width, bias=True, count=count),
        convolution(f"{block}conv.up_conv", 2 * wide, width, count=count),
        Tensor(
            name=f"{block}conv.depth_conv", shape=(wide, config.integer("conv_kernel_size", default=15)), count=count
        ),
        Tensor(name=f"{block}conv.batch_norm", shape=(4, wide), count=count),
        Tensor(name=f"{block}conv.batch_norm.seen", shape=(1,), dtype="int64", buffer=True, count=count),
        convolution(f"{block}conv.down_conv", width, wide, count=count),
        norm(f"{block}post_norm", width, bias=True, count=count),
    )


class GraniteSpeech(ArchitectureAdapter):
    """Granite Speech: a Conformer, BLIP-2's query transformer over windows, Granite.

    Plus joins outputs of several Conformer layers, which the projector's `encoder_hidden_size` already counts.
    """

    name = "GraniteSpeechForConditionalGeneration"
    architectures = ("GraniteSpeechForConditionalGeneration", "GraniteSpeechPlusForConditionalGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="granite", tied=True), config, context)
        encoder = optional_section(config, "encoder_config")
        projector = filled(
            optional_section(config, "projector_config"), {**QFORMER_DEFAULTS, "encoder_hidden_size": 1408}
        )
        width = projector.integer("hidden_size")
        window, rate = config.integer("window_size", default=15), config.integer("downsample_rate", default=5)
        modules = (
            *_conformer(encoder),
            Tensor(name="projector.query", shape=(max(window // rate, 1), width)),
            *qformer(projector, projector.integer("encoder_hidden_size"), prefix="projector.qformer."),
            convolution("projector.linear", text.hidden_size, width),
        )
        frames = _GRANITE_SECONDS * 50  # two 10 ms frames are stacked into one
        inner = encoder.integer("hidden_dim", default=1024)
        sound = Encoder(
            modality="audio",
            max_item_tokens=ceil_div(frames, window) * max(window // rate, 1),
            patches=frames,
            width=inner,
            mlp_width=inner * encoder.integer("feedforward_mult", default=4),
            heads=encoder.integer("num_heads", default=8),
            input_elements=frames * encoder.integer("input_dim", default=160),
        )
        return multimodal(text, config, modules=modules, encoders=(sound,), modalities=_AUDIO)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Ultravox, Audio Flamingo 3, Qwen3-ASR, GLM-ASR, Granite Speech."""
    return [Ultravox(), AudioFlamingo3(), Qwen3ASR(), GlmAsr(), GraniteSpeech()]
