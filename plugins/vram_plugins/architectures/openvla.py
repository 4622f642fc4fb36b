"""OpenVLA: DINOv2 and SigLIP side by side as timm makes them, three linears, Llama.

Source: vLLM 0.33.0 `openvla.py`, which takes no other backbone, no other size of image and no other activation.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

_BACKBONES = ("vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224")
_EDGES = (224, 224)
_DINO = Shape(width=1024, layers=24, heads=16, mlp_width=4096, image_size=224, patch_size=14, channels=3)
_SIGLIP = Shape(width=1152, layers=27, heads=16, mlp_width=4304, image_size=224, patch_size=14, channels=3)
_MARKS = 1 + 4  # class token and registers


class OpenVla(ArchitectureAdapter):
    """Towers are torch's own modules, whole on every rank."""

    name = "OpenVLAForActionPrediction"
    architectures = ("OpenVLAForActionPrediction",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        if (config.strings("timm_model_ids") or _BACKBONES) != _BACKBONES:
            raise config.error("timm_model_ids", "names backbones that vLLM does not take")
        if (config.integers("image_sizes") or _EDGES) != _EDGES:
            raise config.error("image_sizes", "is not 224 twice, and vLLM takes no other")
        text = text_spec(
            text_section(config, model_type="llama", tied=False), config, context, architecture="LlamaForCausalLM"
        )
        width, hidden = _DINO.width + _SIGLIP.width, text.hidden_size
        pool, backbone = "vision_backbone.siglip_featurizer.attn_pool.", "vision_backbone.dinov2_featurizer."
        modules = (
            *_vit(_DINO, backbone, scales=2),
            Tensor(name=f"{backbone}marks", shape=(_MARKS, _DINO.width)),
            *_vit(_SIGLIP, "vision_backbone.siglip_featurizer.", scales=0),
            *_pool(_SIGLIP, pool),
            dense("projector.fc1", width, 4 * width, parallel="column"),
            dense("projector.fc2", 4 * width, hidden, parallel="row"),
            dense("projector.fc3", hidden, hidden),
        )
        image = image_encoder(_SIGLIP, tokens=_SIGLIP.grid**2, patches=_SIGLIP.grid**2, tensor_parallel=False)
        return multimodal(text, config, modules=modules, encoders=(image,))


def _vit(shape: Shape, at: str, *, scales: int) -> Iterable[Module]:
    """timm's VisionTransformer: fused q, k and v, a norm at the end, `scales` layer scales."""
    width, mlp, block = shape.width, shape.mlp_width, f"{at}blocks.0."
    yield convolution(f"{at}patch_embed.proj", width, shape.channels, shape.patch_size, shape.patch_size)
    yield Tensor(name=f"{at}pos_embed", shape=(shape.grid**2, width))
    yield convolution(f"{block}attn.qkv", 3 * width, width, count=shape.layers)
    yield convolution(f"{block}attn.proj", width, width, count=shape.layers)
    yield convolution(f"{block}mlp.fc1", mlp, width, count=shape.layers)
    yield convolution(f"{block}mlp.fc2", width, mlp, count=shape.layers)
    yield Tensor(name=f"{block}norms_and_scales", shape=(4 + scales, width), count=shape.layers)
    yield norm(f"{at}norm", width, bias=True)


def _pool(shape: Shape, at: str) -> Iterable[Module]:
    """SigLIP's attention pooling, which vLLM builds and does not use."""
    width, mlp = shape.width, shape.mlp_width
    yield Tensor(name=f"{at}latent", shape=(width,))
    yield convolution(f"{at}attention", 4 * width, width)
    yield norm(f"{at}norm", width, bias=True)
    yield convolution(f"{at}mlp.fc1", mlp, width)
    yield convolution(f"{at}mlp.fc2", width, mlp)


def adapters() -> Iterable[ArchitectureAdapter]:
    """OpenVLA."""
    return [OpenVla()]
