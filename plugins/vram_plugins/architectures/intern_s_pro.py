"""Intern-S1-Pro: Qwen3-VL-MoE with Fourier positions and a router of its own. Intern-S2-Mobius: Qwen3.5 with shared banks.

Sources: vLLM 0.33.0 `interns1_pro.py`, `interns2_mobius.py`, `layers/rotary_embedding/fope.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from vram.architecture.decoder import Dimensions
from vram.architecture.reading import needed_section
from vram.architecture.towers import multimodal, unquantized
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Experts, Module, Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import LayerRun, ModelSpec
from vram_plugins.architectures.language import filled, own_section, text_spec
from vram_plugins.architectures.qwen_moe import Qwen3Moe
from vram_plugins.architectures.qwen_towers import qwen3_image, qwen3_tower
from vram_plugins.architectures.qwen_vl import QWEN3_RENAMES, short_positions
from vram_plugins.architectures.vision import vision_section

_MODALITIES = ("image", "video")
_FOPE = ("fope_init_factor", "fope_sep_head", "num_inv_freq")


class _FourierMoe(Qwen3Moe):
    """Qwen3-MoE whose every head of keys has sine and cosine coefficients, and a table of its own."""

    architectures = ("InternS1ProForConditionalGeneration",)
    router_quantizable = False
    own_routing = True

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """Two coefficient matrices and a table per head of keys, divided over ranks as those are."""
        heads, frequencies = dims.num_key_value_heads, _frequencies(config, dims)
        at = "rotary_emb."
        return (
            Tensor(name=f"{at}coefficients", shape=(heads, 2, frequencies, frequencies), sharded_units=heads),
            Tensor(name=f"{at}inv_freq", shape=(frequencies,), dtype="float32", buffer=True),
            Tensor(
                name=f"{at}cos_sin_cache",
                shape=(heads, dims.max_position, 2 * dims.head_dim),
                sharded_units=heads,
                buffer=True,
            ),
        )


def _frequencies(config: ModelConfig, dims: Dimensions) -> int:
    """The first `num_inv_freq` frequencies, or those that turn once within the longest context."""
    block = config.sub("rope_parameters") or config.sub("rope_scaling")
    if block is None or not block.has(*_FOPE):
        raise config.error("rope_parameters", "has no field of Fourier positions, without which vLLM does not build it")
    if not block.flag("fope_sep_head"):
        raise config.error("rope_parameters", "asks for coefficients without heads, which vLLM's table does not take")
    most = dims.head_dim // 2
    if block.has("num_inv_freq"):
        return min(block.integer("num_inv_freq"), most)
    theta = block.number("rope_theta", default=config.number("rope_theta", default=10000.0))
    slowest = 2 * math.pi / dims.max_position
    return sum(theta ** (-2 * index / dims.head_dim) > slowest for index in range(most))


class InternS1Pro(ArchitectureAdapter):
    """The tower takes no quantization; embeddings are tied as the text section says."""

    name = "InternS1ProForConditionalGeneration"
    architectures = ("InternS1ProForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        inner = needed_section(config, "text_config")
        named = {"dtype": config.string("dtype", "torch_dtype"), "architectures": [config.architecture]}
        text = _FourierMoe().build(filled(own_section(inner, "qwen3_vl_moe_text"), named), context)
        vision = vision_section(config, "qwen3_vl")
        image = qwen3_image(vision, context.items)
        return multimodal(
            text,
            config,
            modules=unquantized(qwen3_tower(vision, "visual.")),
            encoders=(image,),
            renames=QWEN3_RENAMES,
            modalities=_MODALITIES,
            data_parallel=True,
        )


class InternS2Mobius(ArchitectureAdapter):
    """`num_blocks` banks of routed experts, on every pipeline rank, which layers use in turn beside their shared expert."""

    name = "InternS2MobiusForConditionalGeneration"
    architectures = ("InternS2MobiusForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = short_positions(own_section(config.text(), "qwen3_5_moe_text"), context)
        text = _in_banks(
            text_spec(section, config, context, architecture="Qwen3_5MoeForCausalLM"), section.integer("num_blocks")
        )
        vision = vision_section(config, "qwen3_5")
        image = qwen3_image(vision, context.items, out=vision.integer("out_hidden_size"))
        return multimodal(
            text,
            config,
            modules=qwen3_tower(vision, "visual."),
            encoders=(image,),
            renames=QWEN3_RENAMES,
            modalities=_MODALITIES,
            data_parallel=True,
        )


def _in_banks(text: ModelSpec, banks: int) -> ModelSpec:
    """The layers' routed experts and their routers taken out, and `banks` of them put beside the layers."""
    routed = [module for module in text.runs[0].layer.modules if _is_routed(module)]
    placed = tuple(
        Placed(
            module=evolve(module, name=module.name.replace("mlp.", "meta_mlp.0.", 1), count=banks),
            stage="every",
            prefix="model.",
        )
        for module in routed
        if not isinstance(module, Tensor)
    )
    return evolve(text, runs=tuple(_without_routed(run) for run in text.runs), placed=text.placed + placed)


def _without_routed(run: LayerRun) -> LayerRun:
    kept = tuple(module for module in run.layer.modules if not _is_routed(module))
    return evolve(run, layer=evolve(run.layer, modules=kept))


def _is_routed(module: Module) -> bool:
    return isinstance(module, Experts) or module.name == "mlp.gate"


def adapters() -> Iterable[ArchitectureAdapter]:
    """Intern-S1-Pro, Intern-S2-Mobius."""
    return [InternS1Pro(), InternS2Mobius()]
