"""Models of a SigLIP tower, a two-layer projector and Qwen: Keye, Eagle 2.5, Bagel.

Sources: vLLM 0.33.0 `keye.py`, `keye_vl1_5.py`, `eagle2_5_vl.py`, `bagel.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.items import most_pixels
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import siglip_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_MERGED = 4  # 2 × 2 patches go into one embedding
_PACKED_POSITIONS = 32768  # `keye.py:packing_position_embedding`
_KEYE_PIXELS = 28 * 28 * 16384  # the image processor's largest image where no preprocessor_config.json is read
_BAGEL_LAYERS = 27  # of which the published tower has one less (`bagel.py`)


class Keye(ArchitectureAdapter):
    """Keye-VL: Qwen3's fields stand in the outer config; 1.5 normalizes four patches together."""

    name = "KeyeForConditionalGeneration"
    architectures = ("KeyeForConditionalGeneration", "KeyeVL1_5ForConditionalGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture="Qwen3ForCausalLM")
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        merged = shape.width * _MERGED
        normed = shape.width if config.architecture == self.name else merged
        at = "visual.vision_model."
        modules = [
            *siglip_tower(vision, "visual."),
            Tensor(name=f"{at}embeddings.packing_position_embedding", shape=(_PACKED_POSITIONS, shape.width)),
            Tensor(
                name=f"{at}encoder.rotary_pos_emb.inv_freq",
                shape=(shape.width // shape.heads // 4,),
                dtype="float32",
                buffer=True,
            ),
            norm("mlp_AR.pre_norm", normed, bias=True),
            dense("mlp_AR.linear_1", merged, merged, parallel="column"),
            dense("mlp_AR.linear_2", merged, text.hidden_size, parallel="row"),
        ]
        tokens = most_pixels(context.items, _KEYE_PIXELS) // (shape.patch_size**2 * _MERGED)
        image = image_encoder(shape, tokens=tokens, patches=tokens * _MERGED)
        return multimodal(text, config, modules=modules, encoders=(image,), modalities=("image", "video"))


class Eagle25(ArchitectureAdapter):
    """Eagle 2.5: InternVL's pixel shuffle and projector over SigLIP."""

    name = "Eagle2_5_VLForConditionalGeneration"
    architectures = ("Eagle2_5_VLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="qwen2"), config, context)
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        select = config.integer("select_layer", default=-1, low=-shape.layers)
        joined = int(1 / config.number("downsample_ratio", default=0.5)) ** 2
        merged = shape.width * joined
        modules = [
            *siglip_tower(vision, "vision_model.", layers=shape.layers + select + 1 if select < 0 else select + 1),
            norm("mlp1.0", merged, bias=True),
            convolution("mlp1.1", text.hidden_size, merged),
            convolution("mlp1.3", text.hidden_size, text.hidden_size),
        ]
        pixels = config.integer("force_image_size", default=shape.image_size)
        patches = (pixels // shape.patch_size) ** 2
        crops = config.integer("max_dynamic_patch", default=12)
        crops += config.flag("use_thumbnail", default=True) and crops > 1
        image = image_encoder(shape, tokens=patches // joined * crops, patches=patches, images=crops)
        return multimodal(text, config, modules=modules, encoders=(image,))


class Bagel(ArchitectureAdapter):
    """Bagel's understanding half: its generating half is not built."""

    name = "BagelForConditionalGeneration"
    architectures = ("BagelForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture="Qwen2ForCausalLM")
        if not config.flag("visual_und", default=True):
            return multimodal(text, config, modules=())
        vision = vision_section(overridden(config, vision_config=config.get("vit_config")), "siglip_vision_model")
        if vision.get("num_hidden_layers") == _BAGEL_LAYERS:
            vision = overridden(vision, num_hidden_layers=_BAGEL_LAYERS - 1)
        shape = vision_shape(vision)
        hidden, side = text.hidden_size, config.integer("vit_max_num_patch_per_side", default=70)
        modules = [
            *siglip_tower(vision, "vit_model.", head=vision.flag("vision_use_head")),
            dense("connector.fc1", shape.width, hidden, parallel="column"),
            dense("connector.fc2", hidden, hidden, parallel="row"),
            Tensor(name="vit_pos_embed.pos_embed", shape=(side**2, hidden), dtype="float32", buffer=True),
        ]
        image = image_encoder(shape, tokens=shape.grid**2, patches=shape.grid**2)
        return multimodal(text, config, modules=modules, encoders=(image,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Keye-VL, Eagle 2.5, Bagel."""
    return [Keye(), Eagle25(), Bagel()]
