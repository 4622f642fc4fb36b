"""MiMo-V2-Omni: MiMo-V2-Flash that sees by a ViT with sinks in its windows and hears by codes of an audio tokenizer.

Sources: vLLM 0.33.0 `mimo_v2_omni.py`, `mimo_audio.py`, `transformers_utils/configs/mimo_v2_omni.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.audio import AudioShape, audio_encoder, stem, torch_blocks
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, dense, multimodal, under, with_tower
from vram.architecture.vit import GATED_NAMES, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_spec
from vram_plugins.architectures.qwen_towers import qwen2_5_image, tower_rope
from vram_plugins.architectures.qwen_vl import QWEN2_RENAMES

_VISION = {
    "depth": 28,
    "hidden_size": 1280,
    "intermediate_size": 4608,
    "num_heads": 32,
    "num_key_value_heads": 8,
    "in_channels": 3,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 2048,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "kv_channels": 64,
    "qk_channels": 64,
}
_CODES = "1025-1025-129-129-129-129-129-129"
_TOKEN_ROWS = 151936  # of the Qwen2 that joins codes, whose embedding nothing asks
#: the tokenizer of the folder `audio_tokenizer`: no more than MiMo's published one, in bfloat16
_TOKENIZER = AudioShape(width=1280, layers=32, heads=20, mlp_width=5120, mels=128, positions=1500)
_QUANTIZERS = 20
_BEST_CODES = 1024
_ASSUMED = "the audio tokenizer in a folder of its own beside the checkpoint is as large as MiMo-Audio's"
_SECONDS = 30 * 60


class MiMoV2Omni(ArchitectureAdapter):
    """Towers are not quantized; the audio encoder is transformers' Qwen2, whole on every rank."""

    name = "MiMoV2OmniForCausalLM"
    architectures = ("MiMoV2OmniForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="MiMoV2FlashForCausalLM")
        section = needed_section(config, "vision_config")
        vision = filled(section, _VISION)
        image = qwen2_5_image(vision, context.items)
        outer = multimodal(
            text,
            config,
            modules=_sees(vision),
            encoders=(image,),
            renames=QWEN2_RENAMES,
            modalities=("image", "video"),
        )
        audio = config.sub("audio_config")
        if audio is None:
            return outer
        group = audio.integer("group_size", default=4)
        tokens = _SECONDS * 25 // group
        sound = audio_encoder(_TOKENIZER, tokens=tokens, output_width=text.hidden_size)
        heard = with_tower(outer, (*_hears(audio, group), *_tokenizer()), modalities=("audio",), encoders=(sound,))
        return evolve(heard, assumptions=(*heard.assumptions, _ASSUMED))


def _sees(vision: ModelConfig) -> tuple[Module, ...]:
    """`MiMoVisionTransformer`: grouped heads; every block but the full ones has a sink per head, whole on every rank."""
    width, heads, depth = vision.integer("hidden_size"), vision.integer("num_heads"), vision.integer("depth")
    dim = vision.integer("qk_channels")
    if vision.integer("kv_channels") != dim:
        raise vision.error("kv_channels", f"is not qk_channels {dim}, which vLLM's attention cannot split")
    patch, frames = vision.integer("patch_size"), vision.integer("temporal_patch_size")
    merged = width * vision.integer("spatial_merge_size") ** 2
    full = {index for index in vision.integers("fullatt_block_indexes") if 0 <= index < depth}
    at = "visual."
    modules: list[Module] = [
        convolution(f"{at}patch_embed.proj", width, vision.integer("in_channels"), frames, patch, patch, bias=False),
        *blocks(
            f"{at}blocks",
            count=depth,
            width=width,
            heads=heads,
            kv_heads=vision.integer("num_key_value_heads", default=heads),
            head_dim=dim,
            mlp_width=vision.integer("intermediate_size"),
            names=GATED_NAMES,
            gated=True,
            norm_bias=False,
            quantizable=False,
        ),
        norm(f"{at}merger.ln_q", width),
        dense(f"{at}merger.mlp.0", merged, merged, parallel="column", bias=False, quantizable=False),
        dense(
            f"{at}merger.mlp.2",
            merged,
            vision.integer("out_hidden_size"),
            parallel="row",
            bias=False,
            quantizable=False,
        ),
        tower_rope(dim),
    ]
    if vision.flag("use_sink") and len(full) < depth:
        modules.append(Tensor(name=f"{at}blocks.0.attn.sinks", shape=(heads,), count=depth - len(full)))
    return tuple(modules)


def _hears(audio: ModelConfig, group: int) -> tuple[Module, ...]:
    """Embeddings of codes, a small Qwen2 over a group of them, and the projection."""
    channels = audio.integer("audio_channels", default=8)
    width = audio.integer("input_local_dim", default=1024)
    layers = audio.integer("input_local_layers", default=6)
    mlp = audio.integer("input_local_intermediate_size", default=4096)
    out, joined = audio.integer("out_hidden_size", default=4096), width * group
    at, block = "audio_encoder.", "audio_encoder.input_local_transformer.layers.0."
    modules: list[Module] = [
        Tensor(name=f"{at}input_local_transformer.embed_tokens", shape=(_TOKEN_ROWS, width)),
        Tensor(name=f"{block}self_attn", shape=(4 * width * width + 3 * width,), count=layers),
        Tensor(name=f"{block}mlp", shape=(3, mlp, width), count=layers),
        Tensor(name=f"{block}norms", shape=(2, width), count=layers),
        Tensor(
            name=f"{at}input_local_transformer.rotary_emb.inv_freq",
            shape=(2, width // audio.integer("input_local_attn_heads", default=64) // 2),
            dtype="float32",
            buffer=True,
        ),
        *(
            Tensor(name=f"{at}speech_embeddings.{channel}", shape=(rows, width))
            for channel, rows in enumerate(_rows(audio, channels))
        ),
    ]
    if audio.flag("add_post_norm"):
        modules.append(norm(f"{at}input_local_transformer.norm", width))
    if audio.integer("projection_layers", default=1) == 1:
        modules.append(convolution(f"{at}projection", out, joined, bias=False))
    else:
        modules += [
            convolution(f"{at}projection.mlp.0", 4 * joined, joined, bias=False),
            convolution(f"{at}projection.mlp.2", out, 4 * joined, bias=False),
        ]
    return tuple(modules)


def _rows(audio: ModelConfig, channels: int) -> tuple[int, ...]:
    """Sizes of the channels' codes: numbers between dashes, or one for all."""
    given = audio.get("speech_vocab_size") or _CODES
    parts = str(given).split("-")
    if not all(part.isdigit() for part in parts) or len(parts) not in (1, channels):
        raise audio.error("speech_vocab_size", f"is {given!r}, which is no size for each of {channels} channels")
    return tuple(int(parts[index % len(parts)]) for index in range(channels))


def _tokenizer() -> Iterable[Module]:
    """The encoder of MiMo's audio tokenizer, which vLLM loads from its own file; no part of the model's parameters."""
    modules = under(
        "audio_encoder.audio_tokenizer.",
        (
            *stem(_TOKENIZER, ""),
            *torch_blocks(_TOKENIZER, ""),
            Tensor(name="quantizer.codebooks", shape=(_QUANTIZERS, 2, _BEST_CODES, _TOKENIZER.width)),
        ),
    )
    return [evolve(module, dtype="bfloat16", presence="loaded") for module in modules if isinstance(module, Tensor)]


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiMo-V2-Omni."""
    return [MiMoV2Omni()]
