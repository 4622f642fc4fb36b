"""Llama 3.2 Vision: a tiled ViT, and a Llama some of whose layers attend to the image.

Source: vLLM 0.9.2 `mllama.py`; vLLM dropped the family with its first engine.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, decoder, dimensions, gated_mlp, gqa, layer, norm, norms, runs_by_kind
from vram.architecture.towers import dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.errors import ArchitectureError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.language import text_section
from vram_plugins.architectures.vision import image_encoder, vision_section

#: first version without the family
_DROPPED = (0, 11, 0)
_CROSSING = (3, 8, 13, 18, 23, 28, 33, 38)
_MORE_WORDS = 8  # in the embedding, not in the LM head
_RENAMES = (
    ("model.vision_model.", "vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
_NAMES = BlockNames(
    qkv="self_attn.qkv_proj",
    qkv_parts=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    out="self_attn.o_proj",
)


def _layer(dims: Dimensions, *, crossing: bool) -> Layer:
    attention = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.hidden_size // dims.num_attention_heads,
        qk_norm="head" if crossing else "none",
        kind="cross_attention" if crossing else "full_attention",
        name="cross_attn" if crossing else "self_attn",
    )
    gates = (Tensor(name="cross_attn_gates", shape=(2,)),) if crossing else ()
    mlp = gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size)
    return layer(attention, mlp, norms(dims.hidden_size), gates)


def _tower(vision: ModelConfig, shape: Shape) -> tuple[Module, ...]:
    at, positions = "vision_model.", shape.grid**2 + 1
    tiles = vision.integer("max_num_tiles", default=4)
    ratios = vision.integer("max_aspect_ratio_id", default=len(vision.items("supported_aspect_ratios")) or 8) + 1
    modules: list[Module] = [
        dense(
            f"{at}patch_embedding._linear",
            shape.channels * shape.patch_size**2,
            shape.width,
            parallel="column",
            bias=False,
            quantizable=False,
        ),
        Tensor(name=f"{at}class_embedding", shape=(shape.width,)),
        Tensor(name=f"{at}gated_positional_embedding.embedding", shape=(positions, shape.width)),
        Tensor(name=f"{at}gated_positional_embedding.tile_embedding", shape=(ratios, tiles * positions * shape.width)),
        Tensor(name=f"{at}tile_positional_embeddings", shape=(ratios, tiles * shape.width), count=2),
        Tensor(name=f"{at}gates", shape=(3,)),
        norm(f"{at}layernorms", shape.width, bias=True, count=2),
    ]
    deep = vision.integer("num_global_layers", default=8)
    for name, count in (("transformer", shape.layers), ("global_transformer", deep)):
        modules += blocks(
            f"{at}{name}.layers",
            count=count,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=_NAMES,
            qkv_bias=False,
            out_bias=False,
        )
    modules.append(Tensor(name=f"{at}global_transformer.layers.0.gates", shape=(2,), count=deep))
    return tuple(modules)


def _more_words(placed: Placed, words: int) -> Placed:
    module = placed.module
    if isinstance(module, Embedding) and not module.lm_head:
        return evolve(placed, module=evolve(module, rows=words))
    return placed


class Mllama(ArchitectureAdapter):
    """Llama 3.2 11B and 90B Vision."""

    name = "MllamaForConditionalGeneration"
    architectures = ("MllamaForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, and ArchitectureError for versions without it."""
        if context.vllm_version >= _DROPPED:
            problem = "is served by vLLM up to 0.10 only; choose such a version (--vllm-version 0.10.2)"
            raise ArchitectureError(architecture=self.name, problem=problem)
        section = text_section(config, model_type="mllama_text_model", tied=False)
        dims = dimensions(section)
        crossing = frozenset(section.integers("cross_attention_layers") or _CROSSING)
        kinds = [index in crossing for index in range(dims.num_hidden_layers)]
        runs = runs_by_kind(kinds, lambda kind: _layer(dims, crossing=kind))
        text = decoder(section, dims, runs=runs, context=context, dtype_config=config)
        text = evolve(text, placed=tuple(_more_words(one, dims.vocab_size + _MORE_WORDS) for one in text.placed))
        vision = vision_section(config, "mllama_vision_model")
        shape = vision_shape(vision)
        output = vision.integer("vision_output_dim", default=shape.width * 6)
        projector = dense("multi_modal_projector", output, text.hidden_size, parallel="column")
        tiles = vision.integer("max_num_tiles", default=4)
        tokens = (shape.grid**2 + 1) * tiles
        image = image_encoder(shape, tokens=tokens, patches=shape.grid**2 + 1, images=tiles)
        modules = (*_tower(vision, shape), projector)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Llama 3.2 Vision."""
    return [Mllama()]
