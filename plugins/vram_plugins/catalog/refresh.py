"""Rebuilds the bundled catalog: `python -m vram_plugins.catalog.refresh FOLDER ... [--hub ID ...]`.

FOLDER is one model's folder or holds folders named ORG--NAME, each with a config.json and, where known, what says its
size: a safetensors index, `index_metadata.json` (an index's metadata alone) or `facts.json` ({"id", "bytes",
"parameters", "aliases": [ids]}). `--hub` asks the Hub, or the mirror HF_ENDPOINT names. What the catalog already
knows stays unless it is read again. Only fields of `fields.py` beside this module are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vram.checkpoint.catalog import CATALOG_FILE, REMOVED, list_catalog
from vram.checkpoint.json_text import parse_object
from vram.checkpoint.local import SAFETENSORS_INDEX, open_folder
from vram.checkpoint.shard_index import parse_index
from vram.errors import VramError
from vram.models.checkpoint import Checkpoint
from vram.models.record import frozen
from vram_plugins.catalog.fields import kept_fields, kept_quantization
from vram_plugins.catalog.short_names import shortened_block

#: fields in which models of one shape may differ: lengths, positions, number format, spelling
_OWN_FIELDS = frozenset(
    """
    max_position_embeddings seq_length max_sequence_length model_max_length rope_scaling rope_parameters rope_theta
    original_max_position_embeddings torch_dtype dtype auto_map sliding_window use_sliding_window max_window_layers
    tie_word_embeddings is_decoder is_encoder_decoder hidden_act
    """.split()  # noqa: SIM905
)
_MAX_BLOCK = 16_000  # characters
_SECTIONS = ("text_config", "vision_config", "llm_config")


@frozen(kw_only=True)
class Fact:
    """What the catalog will say of one id. `config` has kept fields only, without the quantization block."""

    id: str
    config: dict[str, Any]
    quantization: dict[str, Any]
    stored_bytes: int | None
    parameters: int | None


def facts_in(folder: Path) -> Iterator[Fact]:
    """Facts of a model's folder, or of every folder in it. Broken ones are named on standard error and left out."""
    if not (folder / "config.json").is_file():
        for inner in sorted(folder.iterdir()):
            if (inner / "config.json").is_file():
                yield from facts_in(inner)
        return
    try:
        checkpoint = open_folder(str(folder), whole=False)
        own = _object(folder / "facts.json")
        metadata = _object(folder / "index_metadata.json")
        index = folder / SAFETENSORS_INDEX
        listed = parse_index(index.read_bytes(), str(index)).total_bytes if index.is_file() else None
    except VramError as error:
        sys.stderr.write(f"left out: {error}\n")
        return
    name = str(own.get("id") or folder.name.replace("--", "/", 1))
    size = own.get("bytes") or listed or metadata.get("total_size") or checkpoint.stored_bytes
    parameters = own.get("parameters") or checkpoint.parameters
    aliases = own.get("aliases", [])
    for alias in [name, *(aliases if isinstance(aliases, list) else [])]:
        yield _fact(str(alias), checkpoint, size if alias == name else None, parameters)


def facts_from_hub(ids: Iterable[str], token: str | None) -> Iterator[Fact]:
    """Facts asked of the Hub: configs, and headers for the size."""
    from vram.checkpoint.hub import open_hub

    for name in ids:
        try:
            checkpoint = open_hub(name, revision=None, token=token)
        except VramError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        yield _fact(name, checkpoint, checkpoint.stored_bytes, checkpoint.parameters)


def facts_of_catalog(file: Path) -> Iterator[Fact]:
    """What the catalog says now."""
    for model in list_catalog(file) if file.is_file() else ():
        yield Fact(
            id=model.id,
            config=kept_fields(model.config),
            quantization=kept_quantization(model.quantization_block),
            stored_bytes=model.stored_bytes,
            parameters=model.parameters,
        )


def catalog_lines(facts: Iterable[Fact]) -> tuple[str, ...]:
    """The catalog: one line per shape, sorted by first id. Of two facts about one id the later counts."""
    latest = {fact.id.lower(): fact for fact in facts if not _is_too_long(fact)}
    groups: dict[str, list[Fact]] = {}
    for fact in latest.values():
        groups.setdefault(_shape_key(fact.config), []).append(fact)
    lines = sorted((_line(group) for group in groups.values()), key=lambda line: next(iter(line["ids"])).lower())
    return tuple(json.dumps(line, separators=(",", ":"), ensure_ascii=True) for line in lines)


def _is_too_long(fact: Fact) -> bool:
    """A block that names thousands of layers one by one would be larger than the rest of the catalog."""
    long = len(json.dumps(shortened_block(fact.quantization))) > _MAX_BLOCK
    if long:
        sys.stderr.write(f"left out: the quantization block of {fact.id} is too long\n")
    return long


def _object(path: Path) -> dict[str, Any]:
    return dict(parse_object(path.read_bytes(), str(path))) if path.is_file() else {}


def _fact(name: str, checkpoint: Checkpoint, size: object, parameters: object) -> Fact:
    config = kept_fields(checkpoint.config.raw)
    for section in _SECTIONS:
        inner = config.get(section)
        if isinstance(inner, dict):
            inner.pop("quantization_config", None)
    return Fact(
        id=name,
        config=config,
        quantization=kept_quantization(checkpoint.quantization),
        stored_bytes=size if isinstance(size, int) and not isinstance(size, bool) else None,
        parameters=parameters if isinstance(parameters, int) and not isinstance(parameters, bool) else None,
    )


def _shape_key(config: dict[str, Any]) -> str:
    """What ids of one line share: all kept fields but those of `_OWN_FIELDS`, in the sections too.

    Null and false say as much as an absent field to most models; where they do not, the line still keeps them apart
    as the id's own fields.
    """
    return json.dumps(_without_own(config), sort_keys=True)


def _without_own(config: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_own(value) if name in _SECTIONS and isinstance(value, dict) else value
        for name, value in config.items()
        if name not in _OWN_FIELDS and value is not None and value is not False
    }


def _line(group: list[Fact]) -> dict[str, Any]:
    """Unquantized ids first, shortest first: the first one's config is the line's, others say where they differ."""
    group = sorted(group, key=lambda fact: (bool(fact.quantization), len(fact.id), fact.id))
    base = group[0].config
    counts = [fact.parameters for fact in group if fact.parameters and not fact.quantization]
    parameters = counts[0] if counts else group[0].parameters
    ids = {fact.id: _ordered(_own(fact, base, parameters)) for fact in group}
    line: dict[str, Any] = {"config": _ordered(base)}
    return {**line, "parameters": parameters, "ids": ids} if parameters else {**line, "ids": ids}


def _ordered(value: Any) -> Any:
    """Keys in alphabetical order at every depth, so that the file does not depend on where facts came from."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return value


def _own(fact: Fact, base: dict[str, Any], parameters: int | None) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if fact.stored_bytes:
        own["bytes"] = fact.stored_bytes
    if fact.parameters and fact.parameters != parameters and not fact.quantization:
        own["parameters"] = fact.parameters
    if fact.quantization:
        own["quantization"] = shortened_block(fact.quantization)
    difference = _difference(base, fact.config)
    if difference:
        own["config"] = difference
    return own


def _difference(base: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The fields that turn `base` into `config`, and under REMOVED the names of those it lacks."""
    removed = sorted(name for name in base if name not in config)
    result: dict[str, Any] = {REMOVED: removed} if removed else {}
    for name, value in config.items():
        old = base.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            inner = _difference(old, value)
            if inner:
                result[name] = inner
        elif value != old or type(value) is not type(old):
            result[name] = value
    return result


def main(arguments: list[str] | None = None) -> int:
    """Writes the catalog; with --check only says whether it would change (status 1)."""
    parser = argparse.ArgumentParser(prog="python -m vram_plugins.catalog.refresh", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--hub", nargs="+", default=[], metavar="ID", help="ask the Hub, or the mirror of HF_ENDPOINT")
    parser.add_argument("--token", help="a Hub token for gated models")
    parser.add_argument("--catalog", type=Path, default=CATALOG_FILE, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if something would change")
    chosen = parser.parse_args(arguments)
    facts = list(facts_of_catalog(chosen.catalog))
    for folder in chosen.folders:
        facts.extend(facts_in(folder))
    facts.extend(facts_from_hub(chosen.hub, chosen.token))
    lines = catalog_lines(facts)
    text = "".join(line + "\n" for line in lines)
    same = chosen.catalog.is_file() and chosen.catalog.read_text(encoding="ascii") == text
    if not chosen.check and not same:
        chosen.catalog.write_text(text, encoding="ascii")
    models = len({fact.id.lower() for fact in facts})
    state = "unchanged" if same else "out of date" if chosen.check else "written"
    sys.stdout.write(f"{chosen.catalog}: {state}, {len(lines)} shapes, {models} models, {len(text):,} bytes\n")
    return 1 if chosen.check and not same else 0


if __name__ == "__main__":
    sys.exit(main())
