"""Inkling's towers: linears that fold an image's patches step by step, and a table over mel bins. Registers no adapter.

Source: vLLM 0.33.0 `models/inkling/common/towers.py`, `mm_preprocess.py`. Both are whole on every rank.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from math import log

from vram.architecture import norm
from vram.architecture.towers import convolution
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, round_up
from vram.models.spec import Encoder

_CHANNEL_UNIT = 64
_MOST = 4096
_MOST_STEPS = 16  # beyond any patch; choosing among more would take long
_IMAGE_PATCHES = 16  # of the image that vLLM profiles with: four patches wide
_AUDIO_TOKENS = 12000  # the longest sound (`MAX_AUDIO_TOKENS`)


def seeing(config: ModelConfig) -> tuple[tuple[Module, ...], tuple[Encoder, ...]]:
    """The vision tower's modules and its work; nothing where the section has no `decoder_dmodel`. Raises ConfigError."""
    vision = config.sub("vision_config")
    if vision is None or not vision.has("decoder_dmodel"):
        return (), ()
    output, layers = vision.integer("decoder_dmodel"), vision.integer("n_layers")
    patch, frames, channels = (
        vision.integer("patch_size", low=2),
        vision.integer("temporal_patch_size"),
        vision.integer("n_channels"),
    )
    if max(layers, patch, frames) > _MOST:
        raise vision.error("patch_size", f"is {patch} of {layers} layers, more than any model has")
    at = "visual.vision_encoder."
    scales = _scales(vision, frames, patch, layers, channels)
    modules: list[Module] = []
    for index, (start, end) in enumerate(pairwise(scales)):
        last = index == layers - 1
        folded = start[2] * (end[0] // start[0]) * (end[1] // start[1]) ** 2
        modules.append(convolution(f"{at}layers.linear_{index}", output if last else end[2], folded, bias=False))
        if not last:
            modules.append(norm(f"{at}layers.norm_{index}", end[2]))
    if vision.flag("use_vision_norm"):
        modules.append(norm(f"{at}final_norm", output))
    image = Encoder(
        modality="image",
        max_item_tokens=_IMAGE_PATCHES,
        patches=_IMAGE_PATCHES,
        width=scales[-1][2],
        mlp_width=output,
        tensor_parallel=False,
        input_elements=_IMAGE_PATCHES * frames * patch**2 * channels,
    )
    return tuple(modules), (image,)


def _scales(
    vision: ModelConfig, frames: int, patch: int, layers: int, channels: int
) -> tuple[tuple[int, int, int], ...]:
    """(frames, pixels of an edge, features) before and after each layer: the folds nearest to an even growth."""
    steps = [(1, 1, channels)]
    edge = 1
    for factor in reversed(_prime_factors(patch)):
        edge *= factor
        steps.append((1, edge, round_up(edge**2 * channels, _CHANNEL_UNIT)))
    joined = 1
    for factor in reversed(_prime_factors(frames)):
        joined *= factor
        steps.append((joined, edge, round_up(edge**2 * channels * joined, _CHANNEL_UNIT)))
    if len(steps) > _MOST_STEPS:
        raise vision.error("patch_size", f"is {patch}, which folds in more steps than any model has")
    reduced = [log(time * side * side) for time, side, _ in steps]
    whole = log(patch * patch * frames * channels)
    costs = [[abs(whole * row / layers - size) for size in reduced] for row in range(layers + 1)]
    if layers >= len(steps):
        chosen = [min(range(len(steps)), key=row.__getitem__) for row in costs]
    else:
        ways = combinations(range(len(steps)), layers + 1)
        chosen = list(min(ways, key=lambda way: sum(row[at] for row, at in zip(costs, way, strict=True))))
    chosen[0], chosen[-1] = 0, len(steps) - 1
    return tuple(steps[index] for index in chosen)


def _prime_factors(number: int) -> list[int]:
    """Ascending, with repeats."""
    factors, candidate = [], 2
    while candidate * candidate <= number:
        while number % candidate == 0:
            factors.append(candidate)
            number //= candidate
        candidate += 1
    return [*factors, number] if number > 1 else factors


def hearing(config: ModelConfig) -> tuple[tuple[Module, ...], tuple[Encoder, ...]]:
    """The audio table and its work; nothing where the section has no `decoder_dmodel`. Raises ConfigError."""
    audio = config.sub("audio_config")
    if audio is None or not audio.has("decoder_dmodel"):
        return (), ()
    width, mels = audio.integer("decoder_dmodel"), audio.integer("n_mel_bins")
    modules: tuple[Module, ...] = (Tensor(name="audio.encoder", shape=(mels * audio.integer("mel_vocab_size"), width)),)
    if audio.flag("use_audio_norm"):
        modules += (norm("audio.final_norm", width),)
    sound = Encoder(
        modality="audio",
        max_item_tokens=_AUDIO_TOKENS,
        patches=_AUDIO_TOKENS,
        width=width,
        mlp_width=width,
        tensor_parallel=False,
        input_elements=_AUDIO_TOKENS * mels,
    )
    return modules, (sound,)
