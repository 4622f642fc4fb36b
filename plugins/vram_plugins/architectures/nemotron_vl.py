"""NVIDIA's models of a RADIO tower, a pixel shuffle and a projector: Llama Nemotron Nano VL, Nemotron Nano VL 2.

Sources: vLLM 0.33.0 `nemotron_vl.py`, `nano_nemotron_vl.py`, `radio.py`, `transformers_utils/configs/radio.py`;
transformers' `modeling_radio.py`, whose tower the first of them runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from vram.architecture import norm
from vram.architecture.pooling import classifier, label_count
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vision_towers import siglip_tower
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Placed, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

#: timm's names of RADIO's sizes: width, layers, heads, feed-forward width (`radio.py:VIT_TIMM_DIM_BY_NAME`)
RADIO_SIZES = {
    "vit_small_patch16_224": (384, 12, 6, 1536),
    "vit_base_patch16_224": (768, 12, 12, 3072),
    "vit_large_patch16_224": (1024, 24, 16, 4096),
    "vit_huge_patch16_224": (1280, 32, 16, 5120),
    "vit_so400m_patch16_224": (1152, 27, 16, 4304),
}


class LlamaNemotronVL(ArchitectureAdapter):
    """Llama Nemotron Nano VL: transformers' RADIO, whole on every rank."""

    name = "Llama_Nemotron_Nano_VL"
    architectures = ("Llama_Nemotron_Nano_VL",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context)
        vision = needed_section(config, "vision_config")
        shape = _stated_shape(vision)
        merged = config.integer("vit_hidden_size") * _joined(config)
        middle = config.integer("projector_hidden_size")
        modules = [
            *_transformers_radio(vision, shape),
            norm("mlp1.0", merged, bias=True),
            convolution("mlp1.1", middle, merged),
            convolution("mlp1.3", text.hidden_size, middle),
        ]
        return multimodal(text, config, modules=modules, encoders=(_image(config, shape),))


class NanoNemotronVL(ArchitectureAdapter):
    """Nemotron Nano VL 2 and Nemotron 3 Omni: vLLM's own RADIO, a squared-ReLU projector without biases."""

    name = "NemotronH_Nano_VL_V2"
    architectures = (
        "NemotronH_Nano_VL_V2",
        "NemotronH_Nano_Omni_Reasoning_V3",
        "NemotronH_Super_Omni_Reasoning_V3",
        "NemotronH_Omni_Reasoning_V3",
    )

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        if config.has("sound_config"):
            raise config.error("sound_config", "asks for a Parakeet encoder, which is not known")
        section = text_section(config)
        text = text_spec(section, config, context)
        if config.architecture != self.name:  # `models/config.py` reads `mamba_ssm_cache_dtype` for this name only
            text = evolve(text, state_dtype="")
        vision = needed_section(config, "vision_config")
        args = vision.sub("args") or vision
        model = args.string("model")
        if model not in RADIO_SIZES:
            raise args.error("model", f"is {model[:40]!r}, which is no size of RADIO's")
        width, layers, heads, mlp_width = RADIO_SIZES[model]
        shape = Shape(
            width=width,
            layers=layers,
            heads=heads,
            mlp_width=mlp_width,
            image_size=config.integer("force_image_size"),
            patch_size=config.integer("patch_size"),
            channels=3,
        )
        given = config.integer("vit_hidden_size")
        merged, middle = given * _joined(config), config.integer("projector_hidden_size")
        modules: list[Module] = [*radio(args, vision, shape, context.tensor_parallel_size)]
        if section.integer("num_nextn_predict_layers", default=0, low=0):
            modules.append(norm("vision_final_layernorm", given, bias=True))
        modules += [
            norm("mlp1.0", merged),
            convolution("mlp1.1", middle, merged, bias=False),
            convolution("mlp1.3", text.hidden_size, middle, bias=False),
        ]
        return multimodal(
            text, config, modules=modules, encoders=(_image(config, shape),), modalities=("image", "video", "audio")
        )


class LlamaNemotronRetriever(ArchitectureAdapter):
    """The retrieval models of the family: SigLIP beside a Llama that looks both ways, without an LM head."""

    name = "LlamaNemotronVLModel"
    architectures = ("LlamaNemotronVLModel", "LlamaNemotronVLForSequenceClassification")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config)
        text = text_spec(section, config, context)
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        merged, hidden = shape.width * _joined(config), text.hidden_size
        modules = [
            *siglip_tower(vision, "vision_model."),
            norm("mlp1.0", merged, bias=True),
            convolution("mlp1.1", hidden, merged),
            convolution("mlp1.3", hidden, hidden),
            Tensor(name="input_norm", shape=(2, 3), dtype="float32", buffer=True),  # pixels are normalized on the GPU
        ]
        spec = multimodal(text, config, modules=modules, encoders=(_image(config, shape),))
        if config.architecture == self.name:
            return evolve(spec, runner="pooling")
        score = classifier(hidden, label_count(section))
        return evolve(spec, placed=(*spec.placed, Placed(module=score, stage="every")), runner="pooling")


def _joined(config: ModelConfig) -> int:
    """Patches that the pixel shuffle joins."""
    return round(1 / config.number("downsample_ratio", default=0.5)) ** 2


def _stated_shape(vision: ModelConfig) -> Shape:
    """Transformers' RadioConfig states its sizes."""
    width = vision.integer("hidden_size", default=1280)
    return Shape(
        width=width,
        layers=vision.integer("num_hidden_layers", default=32),
        heads=vision.integer("num_attention_heads", default=16),
        mlp_width=int(width * vision.number("mlp_ratio", default=4.0)),
        image_size=vision.integer("image_size", default=224),
        patch_size=vision.integer("patch_size", default=16),
        channels=vision.integer("num_channels", default=3),
    )


def _transformers_radio(vision: ModelConfig, shape: Shape) -> tuple[Module, ...]:
    at, width = "vision_model.", shape.width
    if vision.flag("use_swiglu_ffn"):
        raise vision.error("use_swiglu_ffn", "makes it another network, which is not known")
    classes = vision.integer("num_cls_tokens", default=3)
    side = vision.integer("max_img_size", default=2048) // shape.patch_size
    summaries = len(vision.integers("summary_idxs")) or 2
    return (
        Tensor(name=f"{at}embeddings.position_embedding", shape=(side**2, width)),
        Tensor(
            name=f"{at}embeddings.cls_register_token",
            shape=(classes + vision.integer("num_registers", default=7, low=0), width),
        ),
        convolution(
            f"{at}embeddings.patch_projection",
            width,
            shape.channels,
            shape.patch_size,
            shape.patch_size,
            bias=False,
        ),
        *blocks(
            f"{at}encoder.layer",
            count=shape.layers,
            width=width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=BlockNames(),
            qkv_bias=vision.flag("qkv_bias", default=True),
            scales=2,
            sharded=False,
            quantizable=False,
        ),
        Tensor(name=f"{at}summary_idxs", shape=(summaries,), dtype="int64", buffer=True),
        Tensor(name=f"{at}input_conditioner", shape=(2, shape.channels), buffer=True),
    )


def radio(
    args: ModelConfig, vision: ModelConfig, shape: Shape, ranks: int, *, prefix: str = "vision_model."
) -> Iterable[Module]:
    """vLLM's own RADIO below `prefix`: `args` are those of its training, `vision` the section around them."""
    at, width, patch = f"{prefix}model.", shape.width, shape.patch_size
    teachers = [item for item in args.items("teachers") if isinstance(item, dict)]
    classes = len({teacher.get("name") for teacher in teachers}) if args.flag("cls_token_per_teacher") else 1
    multiple = args.integer("register_multiple", default=0, low=0)
    registers = multiple - classes % multiple if multiple else 0
    side = ceil(round(args.integer("cpe_max_size", default=2048) / patch) * patch / patch)
    frames = vision.integer("video_temporal_patch_size", default=1)
    yield convolution(f"{at}patch_generator.embedder", width, 3, patch, patch, bias=False)
    if frames > 1:
        yield convolution(f"{at}patch_generator.video_embedder", width, 3, frames, patch, patch, bias=False)
    yield Tensor(name=f"{at}patch_generator.pos_embed", shape=(side**2, width))
    yield Tensor(name=f"{at}patch_generator.cls_token", shape=(classes + registers, width))
    yield from blocks(
        f"{at}encoder.layers",
        count=shape.layers,
        width=width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=BlockNames(),
        scales=2,
        whole_attention=shape.heads % ranks != 0,
    )
    summaries = sum(bool(teacher.get("use_summary", True)) for teacher in teachers)
    if summaries:
        yield Tensor(name=f"{prefix}summary_idxs", shape=(summaries,), dtype="int64", buffer=True)


def _image(config: ModelConfig, shape: Shape) -> Encoder:
    pixels = config.integer("force_image_size", default=shape.image_size)
    patches = (pixels // shape.patch_size) ** 2
    crops = config.integer("max_dynamic_patch", default=12)
    crops += config.flag("use_thumbnail", default=True) and crops > 1
    return image_encoder(shape, tokens=patches // _joined(config) * crops, patches=patches, images=crops)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Nemotron with images."""
    return [LlamaNemotronVL(), NanoNemotronVL(), LlamaNemotronRetriever()]
