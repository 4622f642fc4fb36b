"""What the user says of images and videos besides their number: `--mm-processor-kwargs`, and sizes in `--limit-mm-per-prompt`.

Both reach an adapter flattened, as `BuildContext.items`: ("images_kwargs.size.longest_edge", 1003520), ("image.width", 512).
Sources: vLLM 0.33.0 `qwen2_vl.py:_get_vision_size`, `get_image_size_with_most_features`, `processing/dummy_inputs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, floor, isqrt, sqrt

from vram.errors import InputError
from vram.models.deployment import EngineArgs
from vram.models.record import evolve
from vram.models.spec import Encoder

Items = tuple[tuple[str, object], ...]

_SCOPES = {"image": "images_kwargs", "video": "videos_kwargs"}
_MOST_ASPECT = 200  # no processor takes a longer image


def items_of(args: EngineArgs) -> Items:
    """What the arguments say, sorted. Raises InputError on numbers no item has."""
    sizes = {
        f"{modality}.{name}": value
        for modality, limit in (args.limit_mm_per_prompt or {}).items()
        if isinstance(limit, Mapping)
        for name, value in limit.items()
        if name != "count" and value is not None
    }
    return tuple(sorted({**dict(_flat(args.mm_processor_kwargs or {})), **sizes}.items()))


def _flat(given: Mapping[str, object], within: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(given, Mapping):
        raise InputError(name="mm_processor_kwargs", value=given, problem="must be a mapping")
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name}.")
        elif isinstance(value, bool | int | float | str) or value is None:
            yield f"{within}{name}", value
        else:
            yield f"{within}{name}", str(value)


def setting(items: Items, *names: str, default: int, modality: str = "image") -> int:
    """The processor's whole number under the first of the names that is given, for the modality or for all. Raises InputError."""
    given = dict(items)
    for name in names:
        for key in (f"{_SCOPES[modality]}.{name}", name):
            value = given.get(key)
            if value is None:
                continue
            if not isinstance(value, int) or not 0 <= value <= 2**31:
                raise InputError(name=f"mm_processor_kwargs.{key}", value=value, problem="must be a whole number")
            return int(value)
    return default


def most_pixels(items: Items, default: int) -> int:
    """Pixels of the largest image: `max_pixels`, which is also `size.longest_edge`."""
    return setting(items, "max_pixels", "size.longest_edge", default=default)


def shown(encoder: Encoder, items: Items, *, unit: int, least: int, most: int) -> Encoder:
    """The tower with the item that is profiled where the user gives a width or a height: never more than the largest one.

    `unit` pixels on an edge make one embedding; processors resize to whole units and between `least` and `most` pixels.
    """
    given = dict(items)
    width, height = (given.get(f"{encoder.modality}.{edge}") for edge in ("width", "height"))
    if not isinstance(width, int) and not isinstance(height, int):
        return encoder
    across, down = _largest(most // unit**2)
    across, down = (
        min(whole * unit, asked) if isinstance(asked, int) and asked > 0 else whole * unit
        for whole, asked in ((across, width), (down, height))
    )
    tokens = _resized(across, down, unit, least, most)
    return evolve(encoder, profiled_tokens=max(1, min(tokens, encoder.max_item_tokens)))


def _largest(tokens: int) -> tuple[int, int]:
    """(across, down) of the largest item: the squarest pair of factors of the most embeddings whose aspect is allowed."""
    for count in range(tokens, 0, -1):
        down = next(d for d in range(isqrt(count), 0, -1) if count % d == 0)
        if count // down <= _MOST_ASPECT * down:
            return count // down, down
    return 1, 1


def _resized(across: int, down: int, unit: int, least: int, most: int) -> int:
    """Embeddings of an image of these pixels (`image_processing_qwen2_vl.py:smart_resize`)."""
    wide, high = (max(1, round(edge / unit)) for edge in (across, down))
    if wide * high * unit**2 > most:
        beta = sqrt(across * down / most)
        wide, high = (max(1, floor(edge / beta / unit)) for edge in (across, down))
    elif wide * high * unit**2 < least:
        beta = sqrt(least / (across * down))
        wide, high = (ceil(edge * beta / unit) for edge in (across, down))
    return wide * high
