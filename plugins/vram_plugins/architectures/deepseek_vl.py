"""DeepSeek-VL2 and DeepSeek-OCR: a SigLIP, or SAM before CLIP or Qwen2, a small projector, DeepSeek's language model.

Sources: vLLM 0.32.0 `deepseek_vl2.py`, `deepseek_ocr.py`, `deepencoder.py`, 0.33.0 `deepseek_ocr2.py`, `deepencoder2.py`.
The towers' sizes are fixed there.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, multimodal, position_ids
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import CLIP_NAMES, BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

_SIGLIP = Shape(width=1152, layers=27, heads=16, mlp_width=4304, image_size=384, patch_size=14, channels=3)
_CLIP = Shape(width=1024, layers=24, heads=16, mlp_width=4096, image_size=224, patch_size=14, channels=3)
_SAM = Shape(width=768, layers=12, heads=12, mlp_width=3072, image_size=1024, patch_size=16, channels=3)
_SAM_GLOBAL = 4  # of its layers see the whole image, the others windows of 14 × 14
_SAM_WINDOW = 14
_NECK = 256
_QWEN = {"hidden_size": 896, "layers": 24, "mlp_width": 4864, "kv_width": 128, "head_dim": 64}  # `deepencoder2.py`
_QUERIES = (144, 256)  # of a crop of 768 pixels, of the overview


def _sam(width: int) -> tuple[Module, ...]:
    """SAM ViT-B with relative positions and its neck, whole and unquantized on every rank."""
    at, dim = "sam_model.", _SAM.width // _SAM.heads
    local = _SAM.layers - _SAM_GLOBAL
    return (
        Tensor(name=f"{at}pos_embed", shape=(_SAM.grid**2, _SAM.width)),
        convolution(f"{at}patch_embed.proj", _SAM.width, 3, _SAM.patch_size, _SAM.patch_size),
        *blocks(
            f"{at}blocks",
            count=_SAM.layers,
            width=_SAM.width,
            heads=_SAM.heads,
            mlp_width=_SAM.mlp_width,
            names=BlockNames(up="mlp.lin1", down="mlp.lin2"),
            sharded=False,
            quantizable=False,
        ),
        Tensor(name=f"{at}blocks.0.attn.rel_pos", shape=(2, 2 * _SAM_WINDOW - 1, dim), count=local),
        Tensor(name=f"{at}blocks.2.attn.rel_pos", shape=(2, 2 * _SAM.grid - 1, dim), count=_SAM_GLOBAL),
        convolution(f"{at}neck.0", _NECK, _SAM.width, bias=False),
        convolution(f"{at}neck.2", _NECK, _NECK, 3, 3, bias=False),
        norm(f"{at}neck.norms", _NECK, bias=True, count=2),
        convolution(f"{at}net_2", 512, _NECK, 3, 3, bias=False),
        convolution(f"{at}net_3", width, 512, 3, 3, bias=False),
    )


def _clip() -> tuple[Module, ...]:
    at, positions = "vision_model.", _CLIP.grid**2 + 1
    return (
        Tensor(name=f"{at}embeddings.class_embedding", shape=(_CLIP.width,)),
        convolution(f"{at}embeddings.patch_embedding", _CLIP.width, 3, _CLIP.patch_size, _CLIP.patch_size, bias=False),
        Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, _CLIP.width)),
        position_ids(f"{at}embeddings.position_ids", positions),
        norm(f"{at}pre_layrnorm", _CLIP.width, bias=True),
        *blocks(
            f"{at}transformer.layers",
            count=_CLIP.layers,
            width=_CLIP.width,
            heads=_CLIP.heads,
            mlp_width=_CLIP.mlp_width,
            names=CLIP_NAMES,
        ),
    )


def _qwen() -> tuple[Module, ...]:
    """The Qwen2 that DeepSeek-OCR 2 reads an image with: transformers' own, whole and unquantized on every rank."""
    at, width, count = "qwen2_model.model.model.", _QWEN["hidden_size"], _QWEN["layers"]
    shapes = {
        "self_attn.q_proj": (width, width, True),
        "self_attn.k_proj": (_QWEN["kv_width"], width, True),
        "self_attn.v_proj": (_QWEN["kv_width"], width, True),
        "self_attn.o_proj": (width, width, False),
        "mlp.gate_proj": (_QWEN["mlp_width"], width, False),
        "mlp.up_proj": (_QWEN["mlp_width"], width, False),
        "mlp.down_proj": (width, _QWEN["mlp_width"], False),
    }
    layers = (
        evolve(convolution(f"{at}layers.0.{name}", rows, columns, bias=bias), count=count)
        for name, (rows, columns, bias) in shapes.items()
    )
    return (
        *layers,
        norm(f"{at}norms", width, count=2 * count + 1),
        Tensor(name="qwen2_model.queries", shape=(sum(_QUERIES), width)),
        Tensor(name=f"{at}rotary_emb.inv_freq", shape=(_QWEN["head_dim"] // 2,), dtype="float32", buffer=True, count=2),
    )


def _siglip(*, tensor_parallel: int) -> tuple[Module, ...]:
    """timm's vit_so400m_patch14_siglip_384 with its pooling head; only the MLPs are sharded, and none are at TP 1."""
    at, width = "vision.", _SIGLIP.width
    parts = blocks(
        f"{at}blocks",
        count=_SIGLIP.layers,
        width=width,
        heads=_SIGLIP.heads,
        mlp_width=_SIGLIP.mlp_width,
        names=BlockNames(),
        whole_attention=True,
        mlp_quantizable=tensor_parallel > 1,
    )
    return (
        convolution(f"{at}patch_embed.proj", width, 3, _SIGLIP.patch_size, _SIGLIP.patch_size),
        Tensor(name=f"{at}pos_embed", shape=(_SIGLIP.grid**2, width)),
        *parts,
        norm(f"{at}norm", width, bias=True),
        Tensor(name=f"{at}attn_pool.latent", shape=(width,)),
        convolution(f"{at}attn_pool.q", width, width),
        convolution(f"{at}attn_pool.kv", 2 * width, width),
        convolution(f"{at}attn_pool.proj", width, width),
        norm(f"{at}attn_pool.norm", width, bias=True),
        *(evolve(part, name=f"{at}attn_pool.mlp.{index}", count=1) for index, part in enumerate(parts[2:4])),
    )


def _projector(config: ModelConfig) -> tuple[tuple[Module, ...], int]:
    """(modules, output width) of the MLP or the single linear between tower and language model."""
    section = optional_section(config, "projector_config")
    width = section.integer("n_embed", default=2048)
    inputs = section.integer("input_dim", default=1152)
    if section.string("projector_type", default="downsample_mlp_gelu") == "linear":
        return (convolution("projector.layers", width, inputs),), width
    joined = section.integer("downsample_ratio", default=2) ** 2
    inner = width * section.integer("mlp_ratio", default=1)
    modules = [convolution("projector.layers.0", inner, inputs * joined)]
    modules += [
        convolution(f"projector.layers.{2 * index}", inner, inner)
        for index in range(1, section.integer("depth", default=2) - 1)
    ]
    modules.append(convolution("projector.layers.last", width, inner))
    return tuple(modules), width


_RENAMES_OCR = (
    ("model.embed_tokens.", "language_model.model.embed_tokens."),
    ("model.layers.", "language_model.model.layers."),
    ("model.norm.", "language_model.model.norm."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", ""),
)


class DeepseekVL(ArchitectureAdapter):
    """DeepSeek-VL2 (one SigLIP), DeepSeek-OCR (SAM and CLIP) and its second version (SAM and Qwen2)."""

    def __init__(self, architecture: str, *, ocr: int) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.ocr = ocr

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config)
        text = text_spec(section, config, context, architecture=self._language(section))
        projector, width = _projector(config)
        modules = (
            *self._towers(context),
            *projector,
            Tensor(name="view_seperator", shape=(width,)),
        )
        if self.ocr == 2:
            image = image_encoder(_SAM, tokens=_QUERIES[1] + 1 + 6 * _QUERIES[0], patches=_SAM.grid**2 + 6 * 48**2)
            return multimodal(text, config, modules=modules, encoders=(image,), prefix="language_model.")
        modules += (Tensor(name="image_newline", shape=(width,)),)
        if self.ocr:
            # a 1024-pixel overview of 16 × 16 embeddings with newlines, and up to six crops of 10 × 10
            tokens = 16 * 17 + 1 + 6 * 100 + 10 * 3
            image = image_encoder(_SAM, tokens=tokens, patches=_SAM.grid**2 + 6 * 40**2)
        else:
            crops = 9 + 1
            image = image_encoder(
                _SIGLIP, tokens=14 * 15 + 1 + 14 * (14 * 9 + 1), patches=_SIGLIP.grid**2, images=crops
            )
        renames = _RENAMES_OCR if self.ocr else (("language.", "language_model."),)
        return multimodal(text, config, modules=modules, encoders=(image,), prefix="language_model.", renames=renames)

    def _towers(self, context: BuildContext) -> tuple[Module, ...]:
        if not self.ocr:
            return _siglip(tensor_parallel=context.tensor_parallel_size)
        return _sam(_QWEN["hidden_size"]) + _qwen() if self.ocr == 2 else _sam(_CLIP.width) + _clip()

    @staticmethod
    def _language(section: ModelConfig) -> str:
        named = section.strings("architectures")
        return named[0] if named else "DeepseekV2ForCausalLM"


def adapters() -> Iterable[ArchitectureAdapter]:
    """DeepSeek-VL2, DeepSeek-OCR, and Unlimited OCR, whose window of generated tokens vLLM plans for as for all."""
    return [
        DeepseekVL("DeepseekVLV2ForCausalLM", ocr=0),
        DeepseekVL("DeepseekOCRForCausalLM", ocr=1),
        DeepseekVL("DeepseekOCR2ForCausalLM", ocr=2),
        DeepseekVL("UnlimitedOCRForCausalLM", ocr=1),
    ]
