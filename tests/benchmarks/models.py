"""Models to measure with, written into folders: facts from the bundled catalog, weights as holes in a file."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

DENSE = "Qwen/Qwen3-8B"


def config_of(model: str) -> dict[str, Any]:
    """A catalog model's config.json."""
    from vram.checkpoint.catalog import find

    found = find(model)
    assert found is not None, model
    return {**found.config.raw}


def largest_moe() -> str:
    """The catalog's id with the most parameters among those with experts."""
    from vram.checkpoint.catalog import list_catalog

    sparse = [model for model in list_catalog() if "expert" in json.dumps(sorted(model.config))]
    return max(sparse, key=lambda model: model.parameters or 0).id


def folder(at: Path, config: dict[str, Any]) -> Path:
    """A folder with a config.json."""
    at.mkdir(parents=True)
    (at / "config.json").write_text(json.dumps(config))
    return at


def with_sharded_index(at: Path, config: dict[str, Any], tensors: int, shards: int = 160) -> Path:
    """A folder with an index of `tensors` names over `shards` files, none of which is there."""
    folder(at, config)
    names = [
        f"model.layers.{i // 1536}.mlp.experts.{i // 4 % 384}.{('gate', 'up', 'down', 'norm')[i % 4]}_proj.weight"
        for i in range(tensors)
    ]
    files = {name: f"model-{i * shards // tensors + 1:05}-of-{shards:06}.safetensors" for i, name in enumerate(names)}
    index = {"metadata": {"total_size": 2 * 10**12}, "weight_map": files}
    (at / "model.safetensors.index.json").write_text(json.dumps(index))
    return at


def with_one_file(at: Path, config: dict[str, Any]) -> Path:
    """A folder with one safetensors file of Llama's names, valid to its last byte and sparse on disk."""
    folder(at, config)
    hidden, width, rows = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    shapes = {
        "model.embed_tokens.weight": (rows, hidden),
        "lm_head.weight": (rows, hidden),
        "model.norm.weight": (hidden,),
    }
    for i in range(config["num_hidden_layers"]):
        for name, shape in (("gate", (width, hidden)), ("up", (width, hidden)), ("down", (hidden, width))):
            shapes[f"model.layers.{i}.mlp.{name}_proj.weight"] = shape
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": (end, end + size)}
        end += size
    text = json.dumps(header).encode()
    with (at / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return at
