"""Phi-4 with SigLIP 2, and MOSS-Audio. Sources: vLLM 0.33.0 `phi4siglip.py`, `siglip2.py`, `moss_audio.py`."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import gated_mlp, norm
from vram.architecture.audio import AudioShape, audio_encoder, audio_shape
from vram.architecture.reading import needed_section, optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import CLIP_NAMES, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

_LEFT_OUT = 1  # features are read before the last layer, which is not built
_CONVOLUTIONS = 3  # each halves the mel bands


class Phi4Vision(ArchitectureAdapter):
    """Phi-4 Vision: a NaFlex SigLIP, its patches embedded by a linear, and a projector shared out over ranks."""

    name = "Phi4ForCausalLMV"
    architectures = ("Phi4ForCausalLMV",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture="Phi3ForCausalLM")
        vision = optional_section(config, "vision_config")
        positions = vision.integer("num_patches", default=256)
        shape = Shape(
            width=vision.integer("hidden_size", default=1152),
            layers=vision.integer("num_hidden_layers", default=27) - _LEFT_OUT,
            heads=vision.integer("num_attention_heads", default=16),
            mlp_width=vision.integer("intermediate_size", default=4304),
            image_size=vision.integer("patch_size", default=16),
            patch_size=vision.integer("patch_size", default=16),
            channels=vision.integer("num_channels", default=3),
        )
        at = "vision_tower.vision_model."
        takes_scheme = not (shape.width % 64 or shape.mlp_width % 64)
        seen = config.integer("mm_hidden_size", default=shape.width)
        modules = [
            dense(f"{at}embeddings.patch_embedding", shape.channels * shape.patch_size**2, shape.width),
            Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, shape.width)),
            *blocks(
                f"{at}encoder.layers",
                count=shape.layers,
                width=shape.width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=CLIP_NAMES,
                mlp_quantizable=takes_scheme,
            ),
            dense("multi_modal_projector.linear_1", seen, text.hidden_size, parallel="column"),
            dense("multi_modal_projector.linear_2", text.hidden_size, text.hidden_size, parallel="row"),
        ]
        tokens = config.integer("max_num_patches", default=3600)
        image = image_encoder(shape, tokens=tokens, patches=tokens)
        return multimodal(text, config, modules=modules, encoders=(image,))


class MossAudio(ArchitectureAdapter):
    """MOSS-Audio: Whisper's layers behind three convolutions; gated adapters, one of them for each deep layer read."""

    name = "MossAudioModel"
    architectures = ("MossAudioModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture="Qwen3ForCausalLM")
        audio = needed_section(config, "audio_config")
        shape = audio_shape(audio)
        output = audio.integer("output_dim", default=shape.width)
        inner = config.integer("adapter_hidden_size", default=8192)
        names = ["audio_adapter"]
        names += [f"deepstack_audio_merger_list.{i}" for i, _ in enumerate(_deep(config, audio))]
        modules = [*_hearing(audio, shape)]
        for name in names:
            # from the encoder's width in, to the language model's out
            up, _ = gated_mlp(hidden_size=output, intermediate_size=inner, name=name).modules
            down = dense(f"{name}.down_proj", inner, text.hidden_size, parallel="row", bias=False)
            modules += [up, down]
        item = audio_encoder(shape, tokens=ceil_div(2 * shape.positions, 8))
        return multimodal(text, config, modules=modules, encoders=(item,), modalities=("audio",))


def _deep(config: ModelConfig, audio: ModelConfig) -> tuple[int, ...]:
    """The encoder's layers whose features are injected into the language model."""
    layers = audio.integers("deepstack_encoder_layer_indexes")
    most = config.integer("deepstack_num_inject_layers", default=len(layers), low=0)
    return layers[:most]


def _hearing(audio: ModelConfig, shape: AudioShape) -> Iterable[Module]:
    at, width = "audio_encoder.", shape.width
    channels = audio.integer("downsample_hidden_size", default=480)
    bands = ceil_div(shape.mels, 2**_CONVOLUTIONS)
    for index in range(_CONVOLUTIONS):
        yield convolution(f"{at}conv{index + 1}", channels, channels if index else 1, 3, 3)
    yield convolution(f"{at}stem_proj", width, channels * bands)
    layer = f"{at}layers.0."
    count = shape.layers
    yield dense(f"{layer}self_attn.q_proj", width, width, parallel="column", count=count)
    yield dense(f"{layer}self_attn.k_proj", width, width, parallel="column", bias=False, count=count)
    yield dense(f"{layer}self_attn.v_proj", width, width, parallel="column", count=count)
    yield dense(f"{layer}self_attn.out_proj", width, width, parallel="row", count=count)
    yield dense(f"{layer}fc1", width, shape.mlp_width, parallel="column", count=count)
    yield dense(f"{layer}fc2", shape.mlp_width, width, parallel="row", count=count)
    yield Tensor(name=f"{layer}norms", shape=(2, 2 * width), count=count)
    yield norm(f"{at}layer_norm", width, bias=True)
    yield Tensor(name=f"{at}embed_positions.inv_timescales", shape=(width // 2,), dtype="float32", buffer=True)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Phi-4 Vision, MOSS-Audio."""
    return [Phi4Vision(), MossAudio()]
