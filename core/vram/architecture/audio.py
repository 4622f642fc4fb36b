"""Whisper's encoder and its descendants, as vLLM builds them and as transformers does.

Sources: vLLM 0.32.0 `whisper.py`, `qwen3_omni_moe_thinker.py`; transformers' `Qwen2AudioEncoder`, `Qwen2_5OmniAudioEncoder`.
"""

from __future__ import annotations

from vram.architecture.parts import norm
from vram.architecture.towers import convolution, dense
from vram.architecture.vit import CLIP_NAMES, BlockNames, blocks
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import frozen
from vram.models.spec import Encoder

_FLAT_NAMES = BlockNames(
    qkv="self_attn.qkv_proj", qkv_parts=CLIP_NAMES.qkv_parts, out="self_attn.out_proj", up="fc1", down="fc2"
)


@frozen(kw_only=True)
class AudioShape:
    """The fields of a Whisper-like audio section, under either of their names."""

    width: int
    layers: int
    heads: int
    mlp_width: int
    mels: int
    positions: int


def audio_shape(config: ModelConfig) -> AudioShape:
    """Read an audio section; defaults are transformers' for the large encoders. Raises ConfigError."""
    shape = AudioShape(
        width=config.integer("d_model", "hidden_size", default=1280),
        layers=config.integer("encoder_layers", "num_hidden_layers", default=32),
        heads=config.integer("encoder_attention_heads", "num_attention_heads", default=20),
        mlp_width=config.integer("encoder_ffn_dim", "intermediate_size", default=5120),
        mels=config.integer("num_mel_bins", default=128),
        positions=config.integer("max_source_positions", default=1500),
    )
    if shape.width % shape.heads:
        raise config.error(
            "encoder_attention_heads", f"is {shape.heads}, which does not divide the width {shape.width}"
        )
    return shape


def audio_encoder(shape: AudioShape, *, tokens: int, chunks: int = 1, output_width: int = 0) -> Encoder:
    """The encoder's work on the largest item: `chunks` windows of all its positions, giving `tokens` embeddings."""
    return Encoder(
        modality="audio",
        max_item_tokens=tokens,
        patches=shape.positions * chunks,
        width=shape.width,
        mlp_width=shape.mlp_width,
        heads=shape.heads,
        input_elements=2 * shape.positions * shape.mels * chunks,
        output_width=output_width,
    )


def stem(shape: AudioShape, prefix: str) -> tuple[Module, ...]:
    """Whisper's two convolutions over mel bands."""
    return (
        convolution(f"{prefix}conv1", shape.width, shape.mels, 3),
        convolution(f"{prefix}conv2", shape.width, shape.width, 3),
    )


def whisper_encoder(shape: AudioShape, prefix: str, *, positions_dtype: str | None = None) -> tuple[Module, ...]:
    """vLLM's own encoder: sharded by heads; sinusoidal positions are a weight (fp32 in Voxtral)."""
    return (
        *stem(shape, prefix),
        *blocks(f"{prefix}layers", count=shape.layers, width=shape.width, heads=shape.heads, mlp_width=shape.mlp_width),
        norm(f"{prefix}layer_norm", shape.width, bias=True),
        Tensor(name=f"{prefix}embed_positions", shape=(shape.positions, shape.width), dtype=positions_dtype),
    )


def torch_blocks(shape: AudioShape, prefix: str, attention: tuple[Module, ...] = ()) -> tuple[Module, ...]:
    """transformers' encoder layers, whole and unquantized on every rank; its key projection has no bias.

    `attention` are modules in place of transformers' own.
    """
    width = shape.width
    own = Tensor(name=f"{prefix}layers.0.self_attn", shape=(4 * width * width + 3 * width,), count=shape.layers)
    return (
        *(attention or (own,)),
        convolution(f"{prefix}layers.0.fc1", shape.mlp_width, width, count=shape.layers),
        convolution(f"{prefix}layers.0.fc2", width, shape.mlp_width, count=shape.layers),
        Tensor(name=f"{prefix}layers.0.norms", shape=(2, 2 * width), count=shape.layers),
    )


def qwen2_audio_tower(shape: AudioShape, prefix: str) -> tuple[Module, ...]:
    """Qwen2-Audio's tower, built by transformers."""
    return (
        *stem(shape, prefix),
        Tensor(name=f"{prefix}embed_positions", shape=(shape.positions, shape.width)),
        *torch_blocks(shape, prefix),
        norm(f"{prefix}layer_norm", shape.width, bias=True),
    )


def qwen2_5_omni_audio_tower(
    shape: AudioShape, prefix: str, output: int, attention: tuple[Module, ...] = ()
) -> tuple[Module, ...]:
    """Qwen2.5-Omni's tower, built by transformers: fp32 positions, begin and end embeddings, a projection.

    `attention` is that of `torch_blocks`.
    """
    return (
        *stem(shape, prefix),
        Tensor(name=f"{prefix}audio_bos_eos_token", shape=(2, output)),
        *torch_blocks(shape, prefix, attention),
        norm(f"{prefix}ln_post", shape.width, bias=True),
        convolution(f"{prefix}proj", output, shape.width),
        _sinusoids(shape, prefix),
    )


def qwen3_omni_audio_tower(shape: AudioShape, prefix: str, *, channels: int, output: int) -> tuple[Module, ...]:
    """Qwen3-Omni's tower: three strided 2-d convolutions over time and mel bands, vLLM's own layers, two projections."""
    bands = (((shape.mels + 1) // 2 + 1) // 2 + 1) // 2
    return (
        convolution(f"{prefix}conv2d1", channels, 1, 3, 3),
        convolution(f"{prefix}conv2d2", channels, channels, 3, 3),
        convolution(f"{prefix}conv2d3", channels, channels, 3, 3),
        dense(f"{prefix}conv_out", channels * bands, shape.width, bias=False, quantizable=False),
        *blocks(
            f"{prefix}layers",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=_FLAT_NAMES,
            quantizable=False,
        ),
        norm(f"{prefix}ln_post", shape.width, bias=True),
        dense(f"{prefix}proj1", shape.width, shape.width, quantizable=False),
        dense(f"{prefix}proj2", shape.width, output, quantizable=False),
        _sinusoids(shape, prefix),
    )


def _sinusoids(shape: AudioShape, prefix: str) -> Tensor:
    return Tensor(
        name=f"{prefix}positional_embedding", shape=(shape.positions, shape.width), dtype="float32", buffer=True
    )
