"""Aria: a NaViT tower, a projector that attends to it, and a mixture-of-experts Llama.

Source: vLLM 0.32.0 `aria.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Part, decoder, dimensions, gqa, layer, moe, norm, norms, overridden, runs_by_kind
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import feature_layers, vision_shape
from vram.architecture.vision_towers import navit_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled
from vram_plugins.architectures.vision import image_encoder, vision_section

_RENAMES = (
    ("model.language_model.", "language_model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("language_model.model.", "language_model."),
    ("language_model.lm_head", "lm_head"),
)
_TEXT_DEFAULTS = {
    "hidden_size": 4096,
    "intermediate_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}


def _projector(width: int, hidden: int, queries: int) -> tuple[Module, ...]:
    at = "multi_modal_projector."
    return (
        Tensor(name=f"{at}query", shape=(queries, width)),
        convolution(f"{at}cross_attn.qkv_proj", 3 * width, width, bias=False),
        convolution(f"{at}cross_attn.multihead_attn.in_proj", 3 * width, width),
        convolution(f"{at}cross_attn.multihead_attn.out_proj", width, width),
        convolution(f"{at}cross_attn.linear", width, width),
        norm(f"{at}cross_attn.layer_norm", width, bias=True, count=2),
        norm(f"{at}layer_norm", width, bias=True),
        dense(f"{at}feed_forward.linear_in", width, hidden, parallel="column", bias=False, quantizable=False),
        dense(f"{at}feed_forward.linear_out", hidden, hidden, parallel="row", bias=False, quantizable=False),
    )


class Aria(ArchitectureAdapter):
    """Aria; vLLM refuses pipeline parallelism for it."""

    name = "AriaForConditionalGeneration"
    architectures = ("AriaForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        section = filled(overridden(config.text(), tie_word_embeddings=False), _TEXT_DEFAULTS)  # whatever a config says
        text = self._text(section, config, context)
        vision = vision_section(config, "idefics3_vision")
        shape = vision_shape(vision)
        built = feature_layers(config, shape.layers, default=-1)
        table = config.sub("projector_patch_to_query_dict")
        counts = [value for value in table.raw.values() if isinstance(value, int)] if table is not None else []
        queries = max(counts, default=256)
        modules = (
            *navit_tower(vision, "vision_tower.", layers=built, post_norm=False),
            *_projector(shape.width, text.hidden_size, queries),
        )
        image = image_encoder(shape, tokens=queries, patches=shape.grid**2)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES, inside="language_model.")

    @staticmethod
    def _text(section: ModelConfig, config: ModelConfig, context: BuildContext) -> ModelSpec:
        dims = dimensions(section)
        experts = moe(
            hidden_size=dims.hidden_size,
            num_experts=section.integer("moe_num_experts", default=8),
            intermediate_size=dims.intermediate_size,
            top_k=section.integer("moe_topk", default=2),
            router_name="router_weight",
            shared_intermediate=dims.intermediate_size * section.integer("moe_num_shared_experts", default=2),
        )
        # the router is a plain parameter in vLLM
        router = Tensor(
            name="mlp.router_weight", shape=(section.integer("moe_num_experts", default=8), dims.hidden_size)
        )
        block = layer(
            gqa(
                hidden_size=dims.hidden_size,
                num_heads=dims.num_attention_heads,
                num_kv_heads=dims.num_key_value_heads,
                head_dim=dims.head_dim,
            ),
            Part(modules=(router, *experts.modules[1:])),
            norms(dims.hidden_size),
        )
        runs = runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block)
        return decoder(section, dims, runs=runs, context=context, dtype_config=config)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Aria."""
    return [Aria()]
