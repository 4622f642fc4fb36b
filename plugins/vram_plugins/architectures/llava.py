"""LLaVA 1.5, LLaVA-NeXT, LLaVA-NeXT-Video and LLaVA-OneVision: a ViT, a two-layer projector, any language model.

Sources: vLLM 0.32.0 `llava.py`, `llava_next.py`, `llava_next_video.py`, `llava_onevision.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from vram.architecture.parts import norm
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape, feature_layers, vision_shape
from vram.architecture.vision_towers import shared_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, ceil_div
from vram.models.record import evolve, frozen
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

#: checkpoint names since transformers 4.52
RENAMES = (
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.image_newline", "image_newline"),
    ("lm_head.", "language_model.lm_head."),
)


@frozen(kw_only=True)
class Variant:
    """How a LLaVA differs: its projector as vLLM's parallel linears or torch's own, a newline embedding, its defaults.

    `projector_norm` puts a norm before the projector, whose middle is `projector_factor` times as wide as the text.
    """

    architectures: tuple[str, ...]
    default_vision: str = "clip_vision_model"
    parallel_projector: bool = True
    projector_norm: bool = False
    projector_factor: int = 1
    newline: bool = False
    feature_layer: int = -2
    strategy: str = "default"
    text_ties: bool = True
    pinpoints: bool = False
    video: bool = False

    @property
    def modalities(self) -> tuple[str, ...]:
        """LLaVA-NeXT-Video takes nothing but videos."""
        if not self.video:
            return ("image",)
        return ("image", "video") if self.pinpoints else ("video",)


VARIANTS: tuple[Variant, ...] = (
    Variant(architectures=("LlavaForConditionalGeneration",)),
    Variant(architectures=("LlavaNextForConditionalGeneration",), newline=True, text_ties=False, pinpoints=True),
    Variant(architectures=("LlavaNextVideoForConditionalGeneration",), parallel_projector=False, video=True),
    Variant(
        architectures=("LlavaOnevisionForConditionalGeneration",),
        default_vision="siglip_vision_model",
        parallel_projector=False,
        newline=True,
        feature_layer=-1,
        strategy="full",
        pinpoints=True,
        video=True,
    ),
)
#: Bee and R-4B: OneVision with a norm before the projector (0.33.0 `bee.py`, `rvl.py`)
VARIANTS += tuple(
    evolve(VARIANTS[-1], architectures=(name,), projector_norm=True, projector_factor=factor)
    for name, factor in (("BeeForConditionalGeneration", 4), ("RForConditionalGeneration", 1))
)


class Llava(ArchitectureAdapter):
    """One of the LLaVA families."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.architectures = variant.architectures
        self.name = variant.architectures[0]

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        variant = self.variant
        section = text_section(config, model_type="llama", tied=False, text_ties=variant.text_ties)
        text = text_spec(section, config, context)
        vision = vision_section(config, variant.default_vision, named_types=True)
        kind = vision.string("model_type")
        shape = vision_shape(vision)
        built = feature_layers(config, shape.layers, default=variant.feature_layer)
        modules = [
            *shared_tower(vision, kind, "vision_tower.", layers=built, post_norm=False),
            *self._projector(config, shape.width, text.hidden_size),
        ]
        if variant.newline:
            modules.append(Tensor(name="image_newline", shape=(text.hidden_size,)))
        encoders = self._encoders(config, shape, kind, context.max_model_len or text.max_model_len)
        return multimodal(
            text, config, modules=modules, encoders=encoders, renames=RENAMES, modalities=variant.modalities
        )

    def _projector(self, config: ModelConfig, width: int, hidden: int) -> tuple[Module, ...]:
        at = "multi_modal_projector."
        bias = config.flag("multimodal_projector_bias", default=True)
        if not self.variant.parallel_projector:
            middle = hidden * self.variant.projector_factor
            before = (norm(f"{at}pre_norm", width, bias=True),) if self.variant.projector_norm else ()
            return (
                *before,
                convolution(f"{at}linear_1", middle, width, bias=bias),
                convolution(f"{at}linear_2", hidden, middle, bias=bias),
            )
        return (
            dense(f"{at}linear_1", width, hidden, parallel="column", bias=bias),
            dense(f"{at}linear_2", hidden, hidden, parallel="row", bias=bias),
        )

    def _encoders(self, config: ModelConfig, shape: Shape, kind: str, length: int) -> tuple[Encoder, ...]:
        patches = shape.grid**2 + (kind == "clip_vision_model")
        if kind == "pixtral":
            return (image_encoder(shape, tokens=shape.grid**2, patches=shape.grid**2, gated=True),)
        strategy = config.string("vision_feature_select_strategy", default=self.variant.strategy)
        base = patches - 1 if strategy == "default" else patches
        found: list[Encoder] = []
        if self.variant.pinpoints:
            tokens, crops = _most_features(config, shape, base, pooled=self.variant.video)
            found.append(image_encoder(shape, tokens=tokens, patches=patches, images=crops))
        elif not self.variant.video:
            found.append(image_encoder(shape, tokens=base, patches=patches))
        if self.variant.video:
            per_frame = ceil_div(shape.grid, config.integer("spatial_pool_stride", default=2)) ** 2
            frames = max(1, length // per_frame)
            if self.variant.pinpoints:
                frames = min(frames, 16)  # `llava_onevision.py:_MAX_FRAMES_PER_VIDEO`
            video = image_encoder(
                shape,
                tokens=per_frame * frames + self.variant.pinpoints,
                patches=patches,
                images=frames,
                modality="video",
            )
            found.append(video)
        return tuple(found)


def _most_features(config: ModelConfig, shape: Shape, base: int, *, pooled: bool) -> tuple[int, int]:
    """(embeddings, crops) of the pinpoint with most features, newlines and the overview included.

    Source: `llava_next.py:get_num_image_tokens`; `pooled` is OneVision's limit of nine crops' worth of features.
    """
    tokens, crops = base, 1
    for point in config.items("image_grid_pinpoints"):
        if not (
            isinstance(point, list | tuple) and len(point) == 2 and all(isinstance(p, int) and p > 0 for p in point)
        ):
            raise config.error("image_grid_pinpoints", "must be a list of pairs of pixels")
        down, across = (ceil_div(edge, shape.image_size) for edge in point)
        height, width = shape.grid * down, shape.grid * across
        ratio = sqrt(height * width / (9 * shape.grid**2)) if pooled else 0.0
        if ratio > 1.1:
            height, width = int(height // ratio), int(width // ratio)
        found = height * width + height + base
        if found > tokens:
            tokens, crops = found, down * across + 1
    return tokens, crops


def adapters() -> Iterable[ArchitectureAdapter]:
    """LLaVA 1.5, LLaVA-NeXT, LLaVA-NeXT-Video, LLaVA-OneVision."""
    return [Llava(variant) for variant in VARIANTS]
