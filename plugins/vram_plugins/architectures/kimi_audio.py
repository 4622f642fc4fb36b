"""Kimi-Audio: Whisper's encoder, two linears and Qwen2; what makes speech of its answers is not served.

Source: vLLM 0.33.0 `kimi_audio.py`. It takes the encoder's config from the folder `whisper-large-v3` of the repository, which
is not read here: by that name it is Whisper large v3's.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.audio import AudioShape, audio_encoder, whisper_encoder
from vram.architecture.parts import norm
from vram.architecture.towers import convolution, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_spec

_ENCODER = AudioShape(width=1280, layers=32, heads=20, mlp_width=5120, mels=128, positions=1500)
#: positions of the encoder that become one embedding (`KimiAudioProcessingInfo`)
_JOINED = 4


class KimiAudio(ArchitectureAdapter):
    """The language model's fields are the config's own."""

    name = "MoonshotKimiaForCausalLM"
    architectures = ("MoonshotKimiaForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Qwen2ForCausalLM")
        hidden, at = text.hidden_size, "multi_modal_projector.vq_adaptor_layers_"
        modules = (
            *whisper_encoder(_ENCODER, "audio_tower."),
            convolution(f"{at}0", hidden, config.integer("kimia_adaptor_input_dim", default=5120)),
            convolution(f"{at}3", hidden, hidden),
            norm(f"{at}4", hidden, bias=True),
        )
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(audio_encoder(_ENCODER, tokens=_ENCODER.positions // _JOINED),),
            modalities=("audio",),
        )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Kimi-Audio."""
    return [KimiAudio()]
