"""MiniCPM-V 2 to 4.5 and MiniCPM-o: a SigLIP or NaViT tower, a resampler that torch holds whole, a language model by version.

Sources: vLLM 0.32.0 `minicpmv.py`, `minicpmo.py`, `layers/resampler.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.audio import audio_encoder, audio_shape, qwen2_audio_tower
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, multimodal, with_tower
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import navit_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

#: the language model of each version that vLLM takes
_LANGUAGE_MODELS = {
    "2.0": "MiniCPMForCausalLM",
    "2.5": "LlamaForCausalLM",
    "2.6": "Qwen2ForCausalLM",
    "4.0": "LlamaForCausalLM",
    "4.5": "Qwen3ForCausalLM",
}
_AUDIO_SECONDS = 30  # the longest sound, in chunks of a second
_GRID = 70  # the resampler's position table is 70 × 70
_TIMES = 36000  # and 4.5's temporal one this long
#: the fixed tower of 2.0 (timm's vit_so400m_patch14_siglip_384) and the default of the others
_SIGLIP_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}


def _resampler(width: int, seen: int, queries: int) -> tuple[Module, ...]:
    at = "resampler."
    return (
        Tensor(name=f"{at}query", shape=(queries, width)),
        Tensor(name=f"{at}proj", shape=(width, width)),
        convolution(f"{at}kv_proj", width, seen, bias=False),
        convolution(f"{at}attn.in_proj", 3 * width, width),
        convolution(f"{at}attn.out_proj", width, width),
        norm(f"{at}norms", width, bias=True, count=3),
    )


class MiniCPMV(ArchitectureAdapter):
    """MiniCPM-V by its `version` (2.0 where the config names none, as the first ones did not)."""

    name = "MiniCPMV"
    architectures = ("MiniCPMV",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        version = self._version(config)
        text = text_spec(config, config, context, architecture=_LANGUAGE_MODELS[version])
        first = version == "2.0"
        vision = filled(vision_section(config, ""), _SIGLIP_SO400M)
        shape = vision_shape(vision)
        layers = shape.layers - config.flag("drop_vision_last_layer", default=first)
        queries = config.integer("query_num", default=64)
        modules: list[Module] = [
            *navit_tower(vision, "vpm.", layers=layers, quantizable=not first),
            *_resampler(text.hidden_size, shape.width, queries),
        ]
        side = int(queries**0.5) if first else _GRID
        modules.append(Tensor(name="resampler.pos_embed", shape=(side, side, text.hidden_size)))
        if version == "4.5":
            modules.append(Tensor(name="resampler.temporal_pos_embed", shape=(_TIMES, text.hidden_size), buffer=True))
        pixels = config.integer("image_size", default=448)
        crops = config.integer("max_slice_num", default=9) + 1
        patches = (pixels // shape.patch_size) ** 2
        image = image_encoder(shape, tokens=queries * crops, patches=patches, images=crops)
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            prefix="llm.",
            modalities=("image", "video"),
            data_parallel=True,
        )

    @staticmethod
    def _version(config: ModelConfig) -> str:
        if not config.has("version"):
            if config.integer("hidden_size") == 2304 and config.integer("query_num", default=0, low=0) == 64:
                return "2.0"
            return "2.5"
        return _known(config, tuple(_LANGUAGE_MODELS))


class MiniCPMO(MiniCPMV):
    """MiniCPM-V that hears: a Whisper encoder that torch holds whole and two linears; 2.6 where no version is named."""

    name = "MiniCPMO"
    architectures = ("MiniCPMO",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        spec = super().build(config, context)
        shape = audio_shape(optional_section(config, "audio_config"))
        modules = (
            *qwen2_audio_tower(shape, "apm."),
            convolution("audio_projection_layer.linear1", spec.hidden_size, shape.mlp_width // 4),
            convolution("audio_projection_layer.linear2", spec.hidden_size, spec.hidden_size),
        )
        pool = config.integer("audio_pool_step", default=2)
        sound = audio_encoder(shape, tokens=_AUDIO_SECONDS * ((50 - pool) // pool + 1))
        return with_tower(spec, modules, modalities=("audio",), encoders=(sound,))

    @staticmethod
    def _version(config: ModelConfig) -> str:
        return _known(config, ("2.6", "4.5")) if config.has("version") else "2.6"


def _known(config: ModelConfig, versions: tuple[str, ...]) -> str:
    version = f"{config.number('version'):.1f}"
    if version not in versions:
        raise config.error("version", f"is {version}; vLLM takes {', '.join(versions)}")
    return version


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiniCPM-V, MiniCPM-o."""
    return [MiniCPMV(), MiniCPMO()]
