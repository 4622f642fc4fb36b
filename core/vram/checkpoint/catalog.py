"""The bundled catalog: facts of popular models, so that an answer needs neither network nor token.

`catalog.jsonl` holds one shape per line:

    {"config": {...}, "parameters": N, "ids": {ID: {"bytes": N, "quantization": {...}, "config": {...}}, ...}}

Base, instruct and quantized ids of one shape share a line. An id may give the bytes its checkpoint stores, its
quantization block (lists of modules written short, see `numbered_names`), and the config fields in which it
differs ("-" lists those it lacks). `vram_plugins.catalog.refresh` writes it.
Only the line of the model asked for is parsed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vram.checkpoint.numbered_names import expanded_block
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig
from vram.models.record import field, frozen

if TYPE_CHECKING:
    from pathlib import Path

CATALOG_FILE = os.path.join(os.path.dirname(__file__), "catalog.jsonl")

#: in an id's own config: the names of fields its shape has and it has not
REMOVED = "-"

_NOTE = "Facts are from the bundled catalog; the model's files were not read."
_MAX_NEAR = 3
_LEAST_BEGUN = 4  # letters of a name from which on its beginning says something


@frozen(kw_only=True)
class CatalogModel:
    """One id of the catalog. `shape` is the first id of its line: models of one shape share it.

    `parameters` are logical ones; `stored_bytes` is None where the checkpoint's size is not known.
    """

    id: str
    shape: str
    architecture: str
    parameters: int | None
    stored_bytes: int | None
    quantization: str | None
    config: Mapping[str, object] = field(repr=False, eq=False)
    quantization_block: Mapping[str, object] = field(repr=False, eq=False)


def list_catalog(file: str | Path = CATALOG_FILE) -> tuple[CatalogModel, ...]:
    """Every id of the catalog, in alphabetical order."""
    models = [model for line in _read(file).splitlines() for model in _models_of(json.loads(line))]
    return tuple(sorted(models, key=lambda model: model.id.lower()))


def find(model: str, file: str | Path = CATALOG_FILE) -> Checkpoint | None:
    """The catalog's facts of a Hub id (in any case), None where it knows none."""
    data = _read(file)
    wanted = json.dumps(model).lower().encode() + b":{"
    at = data.lower().find(wanted)
    if at < 0:
        return None
    begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    line = json.loads(data[begin : end if end >= 0 else None])
    found = next((each for each in _models_of(line) if each.id.lower() == model.lower()), None)
    return None if found is None else checkpoint_of(found)


def find_like(part: str, file: str | Path = CATALOG_FILE) -> tuple[CatalogModel, ...]:
    """Ids that contain `part`, which is in small letters, in alphabetical order. Only their lines are parsed."""
    lines = [line for line in _read(file).splitlines() if part.encode() in line.lower()]
    found = [model for line in lines for model in _models_of(json.loads(line)) if part in model.id.lower()]
    return tuple(sorted(found, key=lambda model: model.id.lower()))


def id_named(name: str, file: str | Path = CATALOG_FILE) -> str | None:
    """The id that a name without an organisation means, as people write it ("qwen3 32b"); None where there is none, or several.

    Ids of several organisations are one where they are copies, of one shape and stored alike: that of whoever copies least.
    """
    wanted, names = _squeezed(name), _by_name(_read(file))
    same = names.get(wanted, []) if wanted else []
    if len(same) < 2:
        return same[0] if same else None
    alike = [model for model in list_catalog(file) if model.id in same]
    facts = {
        (one.shape, one.stored_bytes, one.quantization, json.dumps(dict(one.config), sort_keys=True)) for one in alike
    }
    return min(same, key=lambda each: _copied(each.partition("/")[0], names)) if len(facts) == 1 else None


def near_ids(model: str) -> tuple[str, ...]:
    """Ids that look like `model`: the same name first, then names that begin so, then such as are spelled nearly so."""
    from difflib import get_close_matches

    names = _by_name(_read(CATALOG_FILE))
    wanted = _squeezed(model.rpartition("/")[2])
    begun = sorted((name for name in names if len(wanted) >= _LEAST_BEGUN and name.startswith(wanted)), key=len)
    close = get_close_matches(wanted, names, n=_MAX_NEAR, cutoff=0.75)
    found = [each for name in dict.fromkeys((*begun, *close)) for each in names[name]]
    return tuple(dict.fromkeys(found))[:_MAX_NEAR]


def _by_name(data: bytes) -> dict[str, list[str]]:
    """Every id by its squeezed name without the organisation."""
    names: dict[str, list[str]] = {}
    for found in re.findall(rb'"([\w.-]+/[\w.-]+)":\{', data):
        each = found.decode()
        names.setdefault(_squeezed(each.rpartition("/")[2]), []).append(each)
    return names


def _copied(organisation: str, names: Mapping[str, list[str]]) -> float:
    """The share of an organisation's models that another one has under the same name."""
    own = [same for same in names.values() if any(each.startswith(f"{organisation}/") for each in same)]
    return sum(len(same) > 1 for same in own) / len(own)


def _squeezed(name: str) -> str:
    """A name without what people leave out or write otherwise: case, spaces, hyphens, dots."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _read(file: str | Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()


def _models_of(line: Mapping[str, Any]) -> Iterator[CatalogModel]:
    shape = next(iter(line["ids"]))
    for name, own in line["ids"].items():
        config = _differing(line["config"], own.get("config", {}))
        block = expanded_block(own.get("quantization", {}))
        yield CatalogModel(
            id=name,
            shape=shape,
            architecture=config["architectures"][0],
            parameters=own.get("parameters", line.get("parameters")),
            stored_bytes=own.get("bytes"),
            quantization=str(block["quant_method"]) if "quant_method" in block else None,
            config=config,
            quantization_block=block,
        )


def _differing(config: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with an id's own fields, section by section, and without those listed under REMOVED."""
    result = {name: value for name, value in config.items() if name not in own.get(REMOVED, ())}
    for name, value in own.items():
        if name == REMOVED:
            continue
        if isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
            result[name] = _differing(result[name], value)
        else:
            result[name] = value
    return result


def checkpoint_of(model: CatalogModel) -> Checkpoint:
    """The catalog's facts as a checkpoint."""
    raw = dict(model.config)
    if model.quantization_block:
        raw["quantization_config"] = model.quantization_block
    return Checkpoint(
        id=model.id,
        source="catalog",
        config=ModelConfig(raw=raw, path=f"catalog entry {model.id}"),
        quantization=model.quantization_block,
        stored_bytes=model.stored_bytes,
        parameters=model.parameters,
        notes=(_NOTE,),
    )
