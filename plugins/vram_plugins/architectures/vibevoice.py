"""VibeVoice-ASR: two convolutional audio tokenizers and transformers' Qwen2, which vLLM runs as transformers has it.

Sources: vLLM 0.33.0 `models/transformers/multimodal.py`; transformers 5.19 `models/vibevoice_asr`,
`models/vibevoice_acoustic_tokenizer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import filled, text_section
from vram_plugins.architectures.transformers_backend import LlamaBackend

_RATIOS = (2, 2, 4, 5, 5, 8)
_DEPTHS = (3, 3, 3, 3, 3, 3, 8)
_RATE = 24000
_SECONDS = 3600  # of the longest recording that the model is published for


class _Qwen2(LlamaBackend):
    """Qwen2 on transformers' class: biases on q, k and v alone."""

    architectures = ("VibeVoiceAsrForConditionalGeneration",)
    qkv_bias: ClassVar[bool] = True
    out_bias = False
    mlp_bias = False


class VibeVoiceAsr(ArchitectureAdapter):
    """Tokenizers and projector are whole on every rank."""

    name = "VibeVoiceAsrForConditionalGeneration"
    architectures = ("VibeVoiceAsrForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="qwen2", tied=False)
        named = {"dtype": config.string("dtype", "torch_dtype"), "architectures": [config.architecture]}
        text = _Qwen2().build(filled(section, named), context)
        modules: list[Module] = []
        frame, filters = 1, 32
        for kind, usual in (("acoustic", 64), ("semantic", 128)):
            name = f"{kind}_tokenizer_encoder"
            given = optional_section(config, f"{name}_config")
            width, filters = given.integer("hidden_size", default=usual), given.integer("num_filters", default=filters)
            modules += _tokenizer(given, f"model.{name}.", width, filters)
            modules += _projector(f"model.multi_modal_projector.{kind}_", width, text.hidden_size)
            frame = 1
            for ratio in given.integers("downsampling_ratios") or _RATIOS:
                frame *= ratio
        sound = Encoder(
            modality="audio",
            max_item_tokens=_SECONDS * _RATE // frame,
            patches=_SECONDS * _RATE // frame,
            width=filters * 2 ** len(_RATIOS),
            mlp_width=4 * filters * 2 ** len(_RATIOS),
            tensor_parallel=False,
            input_elements=_SECONDS * _RATE,
        )
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(sound,),
            inside="model.language_model.",
            modalities=("audio",),
        )


def _tokenizer(config: ModelConfig, at: str, width: int, filters: int) -> Iterable[Module]:
    """Stages of depthwise convolutions and feed-forward networks, each of twice the channels of the one before."""
    kernel = config.integer("kernel_size", default=7)
    ratios = config.integers("downsampling_ratios") or _RATIOS
    depths = config.integers("depths") or _DEPTHS
    if len(depths) != len(ratios) + 1:
        raise config.error("depths", f"has {len(depths)} entries for {len(ratios) + 1} stages")
    channels = [filters * 2**stage for stage in range(len(depths))]
    yield convolution(f"{at}stem.conv.conv", filters, config.integer("channels", default=1), kernel)
    for stage, (depth, wide) in enumerate(zip(depths, channels, strict=True)):
        name = f"{at}conv_layers.{stage - 1}." if stage else f"{at}stem."
        if stage:
            yield convolution(f"{name}conv.conv", wide, channels[stage - 1], 2 * ratios[stage - 1])
        block, inner = f"{name}stage.0.", wide * config.integer("ffn_expansion", default=4)
        yield Tensor(name=f"{block}scales_and_norms", shape=(4, wide), count=depth)
        yield convolution(f"{block}mixer.conv", wide, 1, kernel, count=depth)
        yield dense(f"{block}ffn.linear1", wide, inner, count=depth)
        yield dense(f"{block}ffn.linear2", inner, wide, count=depth)
    yield convolution(f"{at}head.conv", width, channels[-1], kernel)


def _projector(at: str, width: int, hidden: int) -> Iterable[Module]:
    return (
        dense(f"{at}linear_1", width, hidden),
        norm(f"{at}norm", hidden),
        dense(f"{at}linear_2", hidden, hidden),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """VibeVoice-ASR."""
    return [VibeVoiceAsr()]
