"""Phi-3-vision and Phi-4-multimodal: towers of fixed sizes before Phi-3.

Sources: vLLM 0.32.0 `phi3v.py`, `phi4mm.py`, `phi4mm_audio.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.towers import convolution, multimodal, with_tower
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import clip_tower, navit_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Tensor
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_spec
from vram_plugins.architectures.vision import image_encoder

#: CLIP ViT-L/14-336 (`phi3v.py:CLIP_VIT_LARGE_PATCH14_336_CONFIG`) and SigLIP so400m at 448 pixels
_CLIP = ModelConfig(
    raw={
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    }
)
_SIGLIP = ModelConfig(
    raw={
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 448,
        "patch_size": 14,
    }
)
_CROPS_PHI3, _CROPS_PHI4 = 16 + 1, 36 + 1  # num_crops and dynamic_hd of the processors, and the overview


def _fixed_layers(config: ModelConfig, total: int) -> int:
    """Layers up to `layer_idx` of `img_processor` (the last but one by default)."""
    section = config.sub("img_processor") if isinstance(config.get("img_processor"), dict) else None
    index = section.integer("layer_idx", default=-2, low=-total) if section is not None else -2
    return total + index + 1 if index < 0 else index + 1


_RENAMES = (
    ("model.vision_embed_tokens.wte", "embed_tokens"),
    ("model.vision_embed_tokens.", "vision_embed_tokens."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


class Phi3V(ArchitectureAdapter):
    """Phi-3-vision and Phi-3.5-vision: a token embedding outside the language model besides the one inside."""

    name = "Phi3VForCausalLM"
    architectures = ("Phi3VForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Phi3ForCausalLM")
        shape = vision_shape(_CLIP)
        section = config.sub("img_processor")
        out = section.integer("image_dim_out", default=1024) if section is not None else 1024
        at = "vision_embed_tokens."
        built = _fixed_layers(config, shape.layers)
        words = Embedding(
            name="embed_tokens", rows=text.vocab_size, columns=text.hidden_size, sources=("embed_tokens",)
        )
        modules = (
            words,
            *clip_tower(_CLIP, f"{at}img_processor.", layers=built, post_norm=False),
            Tensor(name=f"{at}glb_GN", shape=(out * 4,)),
            Tensor(name=f"{at}sub_GN", shape=(out * 4,)),
            convolution(f"{at}img_projection.0", text.hidden_size, out * 4),
            convolution(f"{at}img_projection.2", text.hidden_size, text.hidden_size),
        )
        # a crop's 24 × 24 patches become 12 × 12 embeddings; the overview's rows and the crops' end in newlines
        tokens = _CROPS_PHI3 * 144 + 1 + 12 * (_CROPS_PHI3 + 1)
        image = image_encoder(shape, tokens=tokens, patches=shape.grid**2 + 1, images=_CROPS_PHI3)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES)


def _conformer(config: ModelConfig, at: str) -> tuple[Module, ...]:
    """Microsoft's Cascades encoder; torch holds it whole on every rank."""
    width = config.integer("attention_dim", default=1024)
    heads = config.integer("attention_heads", default=16)
    inner = config.integer("linear_units", default=1536)
    count = config.integer("num_blocks", default=24)
    kernel = config.integer("kernel_size", default=3)
    mels = config.integer("input_size", default=80)
    nemo = config.sub("nemo_conv_settings")
    channels = nemo.integer("conv_channels", default=1024) if nemo is not None else 1024
    block = f"{at}encoders.0."
    halves: list[Module] = []
    for half in ("feed_forward_in", "feed_forward_out"):
        halves += [
            norm(f"{block}{half}.layer_norm", width, bias=True, count=count),
            convolution(f"{block}{half}.net.0", 2 * inner, width, count=count),
            convolution(f"{block}{half}.net.2", width, inner, count=count),
        ]
    positions = config.sub("relative_attention_bias_args")
    distance = positions.integer("t5_bias_max_distance", default=1000) if positions is not None else 1000
    return (
        Tensor(name=f"{at}encoder_embedding", shape=(2, mels)),
        convolution(f"{at}embed.conv.depthwise", channels, 1, 3, 3, count=3),
        convolution(f"{at}embed.conv.pointwise", channels, channels, count=2),
        convolution(f"{at}embed.out", width, channels * (-(-mels // 8))),
        Tensor(name=f"{at}relative_attention_bias_layer", shape=(2 * distance, heads)),
        Tensor(name=f"{at}dev_type", shape=(1,), buffer=True),
        *halves,
        convolution(f"{block}self_attn", 4 * width, width, count=count),
        norm(f"{block}conv.layer_norm", width, bias=True, count=count),
        Tensor(name=f"{block}conv.glu.b", shape=(2, width), count=count),
        convolution(f"{block}conv.glu.ext_pw_conv_1d", 2 * width, width, count=count),
        convolution(f"{block}conv.ext_pw_conv_1d", width, width, count=count),
        convolution(f"{block}conv.dw_sep_conv_1d.dw_conv", width, 1, kernel, count=count),
        convolution(f"{block}conv.dw_sep_conv_1d.pw_conv", width, width, count=count),
        norm(f"{block}layer_norm_att", width, bias=True, count=count),
        norm(f"{block}layer_norm", width, bias=True, count=count),
    )


class Phi4MM(ArchitectureAdapter):
    """Phi-4-multimodal with its two towers. Its LoRA adapters are served apart and not counted."""

    name = "Phi4MMForCausalLM"
    architectures = ("Phi4MMForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Phi3ForCausalLM")
        hidden = text.hidden_size
        shape = vision_shape(_SIGLIP)
        seeing, hearing = "vision_encoder.", "embed_tokens_extend."
        processor = config.sub("audio_processor")
        audio = processor.sub("config") if processor is not None else None
        audio = audio or ModelConfig(raw={}, path=config.path, section="audio_processor.config.")
        width = audio.integer("attention_dim", default=1024)
        built = _fixed_layers(config, shape.layers)
        modules = (
            *navit_tower(_SIGLIP, f"{seeing}img_processor.", layers=built, post_norm=False, quantizable=False),
            Tensor(name=f"{seeing}glb_GN", shape=(shape.width,)),
            Tensor(name=f"{seeing}sub_GN", shape=(shape.width,)),
            convolution(f"{seeing}img_projection.0", hidden, shape.width),
            convolution(f"{seeing}img_projection.2", hidden, hidden),
        )
        ears = (
            *_conformer(audio, f"{hearing}encoder."),
            *(
                convolution(f"{hearing}{name}.{at}", hidden, inputs)
                for name in ("audio_projection", "audio_projection_for_vision")
                for at, inputs in ((0, width), (2, hidden))
            ),
        )
        tokens = 256 * _CROPS_PHI4 + 1 + 16 * (_CROPS_PHI4 + 1)
        image = image_encoder(shape, tokens=tokens, patches=shape.grid**2, images=_CROPS_PHI4)
        sound = Encoder(
            modality="audio",
            max_item_tokens=375,
            patches=375,
            width=width,
            mlp_width=2 * audio.integer("linear_units", default=1536),
            heads=audio.integer("attention_heads", default=16),
            tensor_parallel=False,
            input_elements=3000 * audio.integer("input_size", default=80),
        )
        outer = multimodal(text, config, modules=modules, encoders=(image,), prefix="", modalities=("image", "video"))
        return with_tower(outer, ears, modalities=("audio",), encoders=(sound,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Phi-3-vision, Phi-4-multimodal."""
    return [Phi3V(), Phi4MM()]
