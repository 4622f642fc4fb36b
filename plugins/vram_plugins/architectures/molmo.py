"""Molmo: OpenAI's CLIP tower at fixed sizes, attention pooling, OLMo-like or Qwen2-like language model.

Source: vLLM 0.32.0 `molmo.py`, whose `VisionBackboneConfig` fixes the tower.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import decoder, dimensions, gated_mlp, gqa, layer, norm, norms, runs_by_kind
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Split, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.vision import image_encoder

_TOWER = Shape(width=1024, layers=23, heads=16, mlp_width=4096, image_size=336, patch_size=14, channels=3)
_FEATURES = 2 * _TOWER.width  # two layers' features side by side
_MORE_WORDS = 128  # `ADDITIONAL_VOCAB_SIZE`, in the embedding only
_CROPS = 12 + 1
_TOKENS = 144 * _CROPS + 12 * _CROPS


def _backbone(hidden: int, intermediate: int) -> tuple[Module, ...]:
    at = "vision_backbone."
    vit = f"{at}image_vit."
    names = BlockNames(
        qkv="attention.qkv",
        qkv_parts=("attention.wq", "attention.wk", "attention.wv"),
        out="attention.wo",
        up="feed_forward.w1",
        down="feed_forward.w2",
    )
    half = Split(size=intermediate // 2)
    pooling = [
        dense(f"{at}image_pooling_2d.{name}", _FEATURES, _TOWER.width, parallel="column") for name in ("wq", "wk", "wv")
    ]
    return (
        Tensor(name=f"{at}pad_embed", shape=(2, _FEATURES)),
        Tensor(name=f"{vit}class_embedding", shape=(_TOWER.width,)),
        Tensor(name=f"{vit}positional_embedding", shape=(_TOWER.grid**2 + 1, _TOWER.width)),
        convolution(f"{vit}patch_embedding", _TOWER.width, 3 * _TOWER.patch_size**2, bias=False),
        norm(f"{vit}pre_ln", _TOWER.width, bias=True),
        *blocks(
            f"{vit}transformer.resblocks",
            count=_TOWER.layers,
            width=_TOWER.width,
            heads=_TOWER.heads,
            mlp_width=_TOWER.mlp_width,
            names=names,
        ),
        *pooling,
        dense(f"{at}image_pooling_2d.wo", _TOWER.width, _TOWER.width, parallel="row"),
        Linear(
            name=f"{at}image_projector.merged_linear",
            inputs=_TOWER.width,
            outputs=(half, half),
            sources=(f"{at}image_projector.merged_linear",),
        ),
        dense(f"{at}image_projector.down_proj", intermediate // 2, hidden, parallel="row", bias=False),
    )


class Molmo(ArchitectureAdapter):
    """Molmo 7B-D, 7B-O, 72B and 1B."""

    name = "MolmoForCausalLM"
    architectures = ("MolmoForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config)
        words = config.integer("embedding_size", default=dims.vocab_size)
        full_norms = config.flag("attention_layer_norm")
        block = layer(
            gqa(
                hidden_size=dims.hidden_size,
                num_heads=dims.num_attention_heads,
                num_kv_heads=dims.num_key_value_heads,
                head_dim=dims.hidden_size // dims.num_attention_heads,
                qkv_bias=config.flag("qkv_bias"),
                qk_norm="full" if full_norms else "none",
                sources=("att_proj",),
            ),
            gated_mlp(
                hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size // 2, sources=("ff_proj",)
            ),
            norms(dims.hidden_size),
        )
        runs = runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block)
        head = Embedding(name="lm_head", rows=words, columns=dims.hidden_size, lm_head=True, sources=("lm_head",))
        raw = {**config.raw, "vocab_size": words + _MORE_WORDS}
        widened = ModelConfig(raw=raw, path=config.path, section=config.section)
        text = decoder(
            widened,
            dimensions(widened),
            runs=runs,
            context=context,
            lm_head=False,
            embed_stage="every",
            norm_stage="every",
        )
        image = image_encoder(_TOWER, tokens=_TOKENS, patches=_TOWER.grid**2 + 1, images=_CROPS)
        modules = (
            *_backbone(dims.hidden_size, dims.intermediate_size),
            *(() if config.flag("weight_tying") else (head,)),
        )
        return multimodal(text, config, modules=modules, encoders=(image,), prefix="")


def adapters() -> Iterable[ArchitectureAdapter]:
    """Molmo."""
    return [Molmo()]
