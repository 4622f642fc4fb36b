"""Speech models that answer: Kimi-Audio and Fun-Audio-Chat.

Sources: vLLM 0.33.0 `kimi_audio.py`, `funaudiochat.py`, `transformers_utils/configs/funaudiochat.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.audio import AudioShape, audio_encoder, audio_shape, qwen2_5_omni_audio_tower, whisper_encoder
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor, ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec

_AUDIO = ("audio",)
#: the encoder that vLLM's class reads from its repository's folder `whisper-large-v3`
_WHISPER_LARGE = AudioShape(width=1280, layers=32, heads=20, mlp_width=5120, mels=128, positions=1500)
_JOINED = 4  # frames of the encoder in one embedding


class KimiAudio(ArchitectureAdapter):
    """Whisper large's encoder, four frames joined by torch's linears, Qwen2; vLLM builds no layers that speak."""

    name = "MoonshotKimiaForCausalLM"
    architectures = ("MoonshotKimiaForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Qwen2ForCausalLM")
        shape, at = _WHISPER_LARGE, "multi_modal_projector.vq_adaptor_layers_"
        seen, width = config.integer("kimia_adaptor_input_dim", default=5120), text.hidden_size
        modules = (
            *whisper_encoder(shape, "audio_tower."),
            convolution(f"{at}0", width, seen),
            convolution(f"{at}3", width, width),
            norm(f"{at}4", width, bias=True),
        )
        sound = audio_encoder(shape, tokens=shape.positions // _JOINED)
        renames = (
            ("model.encoder.", "audio_tower."),
            ("model.vq_adaptor.", "multi_modal_projector."),
            ("model.", "language_model.model."),
            ("lm_head.", "language_model.lm_head."),
        )
        return multimodal(text, config, modules=modules, encoders=(sound,), renames=renames, modalities=_AUDIO)


class FunAudioChat(ArchitectureAdapter):
    """A continuous encoder, whose attention is divided over ranks, and codes of speech; the part that speaks is not built."""

    name = "FunAudioChatForConditionalGeneration"
    architectures = ("FunAudioChatForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="qwen2", tied=False)
        text = text_spec(section, config, context, architecture="Qwen3ForCausalLM")
        audio = optional_section(config, "audio_config")
        shape = audio_shape(audio)
        output = audio.integer("output_dim", default=3584)
        at = "audio_tower."
        modules = (
            *_continuous(shape, output, "continuous_audio_tower."),
            Tensor(name=f"{at}embed_tokens", shape=(audio.integer("codebook_size"), output)),
            convolution(f"{at}output_matching", output, output, bias=False),
            convolution(f"{at}continual_output_matching", output, output, bias=False),
        )
        group = audio.integer("group_size", default=5)
        sound = audio_encoder(shape, tokens=ceil_div(shape.positions // 2, group), output_width=output)
        return multimodal(text, config, modules=modules, encoders=(sound,), modalities=_AUDIO)


def _continuous(shape: AudioShape, output: int, at: str) -> tuple[Module, ...]:
    """Qwen2.5-Omni's tower with vLLM's attention."""
    width, count, block = shape.width, shape.layers, f"{at}layers.0."
    qkv = Linear(
        name=f"{block}self_attn.qkv_proj",
        inputs=width,
        outputs=(Split(size=width, units=shape.heads),) * 3,
        bias=True,
        sources=tuple(f"{block}self_attn.{part}_proj" for part in "qkv"),
        quantizable=False,
        count=count,
    )
    out = dense(f"{block}self_attn.out_proj", width, width, parallel="row", quantizable=False, count=count)
    return qwen2_5_omni_audio_tower(shape, at, output, (qkv, out))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Kimi-Audio, Fun-Audio-Chat."""
    return [KimiAudio(), FunAudioChat()]
