"""MOSS-Transcribe-Diarize: a Whisper encoder, four frames joined by an adaptor of torch's linears, Qwen3.

Sources: vLLM 0.33.0 `moss_transcribe_diarize.py`, `transformers_utils/configs/moss_transcribe_diarize.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.audio import audio_encoder, audio_shape, whisper_encoder
from vram.architecture.towers import convolution, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section, text_spec

_MOST_CHUNKS = 180  # 90 minutes in windows of 30 seconds
#: what transformers' WhisperConfig fills into a section, and what MOSS's class does where there is none
_WHISPER = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
_MEDIUM = {"d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16, "encoder_ffn_dim": 4096}
#: WhisperConfig knows these under another name as well; the width of the feed-forward network it does not
_ALIASES = {
    "hidden_size": "d_model",
    "num_hidden_layers": "encoder_layers",
    "num_attention_heads": "encoder_attention_heads",
}


class MossTranscribeDiarize(ArchitectureAdapter):
    """Embeddings are tied as the outer config says, which ties them where it is silent."""

    name = "MossTranscribeDiarizeForConditionalGeneration"
    architectures = ("MossTranscribeDiarizeForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="qwen3", tied=True)
        text = text_spec(section, config, context, architecture="Qwen3ForCausalLM")
        shape = audio_shape(_audio(config))
        joined = config.integer("audio_merge_size", default=4)
        seen = config.integer("adaptor_input_dim", default=joined * shape.width)
        at, width = "vq_adaptor.layers.", text.hidden_size
        modules = (
            *whisper_encoder(shape, "whisper_encoder."),
            convolution(f"{at}0", width, seen),
            convolution(f"{at}2", width, width),
            norm(f"{at}3", width, bias=True),
        )
        most = _MOST_CHUNKS * ceil_div(shape.positions, joined)
        tokens = min(context.max_model_len or text.max_model_len, most)
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(audio_encoder(shape, tokens=tokens, chunks=_MOST_CHUNKS),),
            renames=(
                ("model.language_model.model.", "language_model.model."),
                ("model.language_model.lm_head.", "language_model.lm_head."),
                ("model.language_model.", "language_model.model."),
                ("model.", ""),
            ),
            modalities=("audio",),
        )


def _audio(config: ModelConfig) -> ModelConfig:
    """The audio section as WhisperConfig reads it."""
    section = config.sub("audio_config")
    base = {"num_mel_bins": 80, "max_source_positions": 1500}
    if section is None:
        return ModelConfig(raw={**base, **_MEDIUM}, path=config.path, section="audio_config.")
    raw = {_ALIASES.get(name, name): value for name, value in section.raw.items() if name != "intermediate_size"}
    return filled(ModelConfig(raw=raw, path=section.path, section=section.section), {**base, **_WHISPER})


def adapters() -> Iterable[ArchitectureAdapter]:
    """MOSS-Transcribe-Diarize."""
    return [MossTranscribeDiarize()]
