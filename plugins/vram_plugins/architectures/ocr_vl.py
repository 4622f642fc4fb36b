"""Small document readers and LFM2-VL: PaddleOCR-VL, dots.ocr, LFM2-VL.

Sources: vLLM 0.32.0 `paddleocr_vl.py`, `dots_ocr.py`, `lfm2_vl.py`, `lfm2_siglip2.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import siglip2_tower, siglip_tower
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

#: pixels of the largest image in the published preprocessors
_PADDLE_PIXELS, _DOTS_PIXELS = 2822400, 11289600
_LFM2_TOKENS = 2816  # eleven tiles of 256
_RENAMES = (("model.", "language_model.model."), ("lm_head.", "language_model.lm_head."))
_RENAMES_DOTS = (("*.attn.qkv_proj.", ".attn.qkv."), ("*.attn.out_proj.", ".attn.proj."), *_RENAMES)
_RENAMES_LFM2 = (
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)


class PaddleOCR(ArchitectureAdapter):
    """PaddleOCR-VL: SigLIP with rotary positions, 2 × 2 patches merged, Ernie 4.5."""

    name = "PaddleOCRVLForConditionalGeneration"
    architectures = ("PaddleOCRVLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(
            config, model_type="paddleocr_vl_text", tied=True, text_ties=True, tie_word_embeddings=True, head_dim=128
        )
        text = text_spec(section, config, context, architecture="Ernie4_5ForCausalLM")
        vision = vision_section(config, "paddleocr_vl_vision")
        shape = vision_shape(vision)
        merged = 4 * shape.width
        modules = (
            *siglip_tower(vision, "visual."),
            Tensor(
                name="visual.vision_model.encoder.rotary_pos_emb.inv_freq",
                shape=(shape.width // shape.heads // 4,),
                dtype="float32",
                buffer=True,
            ),
            norm("mlp_AR.pre_norm", shape.width, bias=True),
            convolution("mlp_AR.linear_1", merged, merged),
            convolution("mlp_AR.linear_2", text.hidden_size, merged),
        )
        tokens = _PADDLE_PIXELS // (2 * shape.patch_size) ** 2
        image = image_encoder(shape, tokens=tokens, patches=4 * tokens)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES)


class DotsOCR(ArchitectureAdapter):
    """dots.ocr: a gated ViT with RMSNorm and rotary positions, Qwen2."""

    name = "DotsOCRForCausalLM"
    architectures = ("DotsOCRForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Qwen2ForCausalLM")
        vision = vision_section(config, "dots_vit")
        shape = vision_shape(ModelConfig(raw={**vision.raw, "hidden_size": vision.integer("embed_dim", default=1536)}))
        bias = vision.flag("use_bias")
        merge = vision.integer("spatial_merge_size", default=2)
        merged = shape.width * merge * merge
        at = "vision_tower."
        modules = [
            convolution(
                f"{at}patch_embed.patchifier.proj", shape.width, shape.channels, shape.patch_size, shape.patch_size
            ),
            norm(f"{at}patch_embed.patchifier.norm", shape.width),
            *blocks(
                f"{at}blocks",
                count=shape.layers,
                width=shape.width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=BlockNames(up="mlp.fc13", up_parts=("mlp.fc1", "mlp.fc3"), down="mlp.fc2"),
                qkv_bias=bias,
                out_bias=bias,
                mlp_bias=bias,
                gated=True,
                norm_bias=False,
            ),
            norm(f"{at}merger.ln_q", shape.width, bias=True),
            dense(f"{at}merger.mlp.0", merged, merged, parallel="column"),
            dense(f"{at}merger.mlp.2", merged, vision.integer("hidden_size", default=1536), parallel="row"),
            Tensor(
                name=f"{at}rotary_pos_emb.inv_freq",
                shape=(shape.width // shape.heads // 4,),
                dtype="float32",
                buffer=True,
            ),
        ]
        if vision.flag("post_norm", default=True):
            modules.append(norm(f"{at}post_trunk_norm", shape.width))
        tokens = _DOTS_PIXELS // (merge * shape.patch_size) ** 2
        image = image_encoder(shape, tokens=tokens, patches=merge * merge * tokens, gated=True)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES_DOTS, data_parallel=True)


class Lfm2VL(ArchitectureAdapter):
    """LFM2-VL: SigLIP 2 for images of any size, pixel unshuffle, short convolutions."""

    name = "Lfm2VlForConditionalGeneration"
    architectures = ("Lfm2VlForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="lfm2", tied=True)
        text = text_spec(section, config, context)
        vision = vision_section(config, "siglip2_vision_model")
        shape = vision_shape(vision)
        select = config.integer("vision_feature_layer", default=-1, low=-shape.layers)
        layers = shape.layers + select + 1 if select < 0 else select + 1
        factor = config.integer("downsample_factor", default=2) ** 2
        merged, middle = shape.width * factor, config.integer("projector_hidden_size", default=2560)
        bias = config.flag("projector_bias", default=True)
        project = "multi_modal_projector."
        modules = [
            *siglip2_tower(vision, "vision_tower.vision_model.", layers=layers),
            dense(f"{project}linear_1", merged, middle, bias=bias, quantizable=False),
            dense(f"{project}linear_2", middle, text.hidden_size, bias=bias, quantizable=False),
        ]
        if config.flag("projector_use_layernorm", default=True):
            modules.append(norm(f"{project}layer_norm", merged, bias=True))
        image = image_encoder(shape, tokens=_LFM2_TOKENS, patches=_LFM2_TOKENS * factor)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES_LFM2)


def adapters() -> Iterable[ArchitectureAdapter]:
    """PaddleOCR-VL, dots.ocr, LFM2-VL."""
    return [PaddleOCR(), DotsOCR(), Lfm2VL()]
