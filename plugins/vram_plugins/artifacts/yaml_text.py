"""YAML of files to deploy with, read alike by YAML 1.1 and 1.2.

Text is put in double quotes unless it is a plain word, because readers disagree on what `1e3`, `0o7`, `y` or `12:30` are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]+")
_RESERVED = frozenset({"yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_UNFOLDED = 1 << 30  # a folded line in quotes is right, and nobody can read it
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a1-\u2027\u2030-\ud7ff]")


def yaml_text(document: Mapping[str, Any]) -> str:
    """One document, keys in their order. Tuples are lists; text can hold anything."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(
                flow, False
            )  # list items stand under their key, as Kubernetes' and Helm's own files

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        plain = _PLAIN.fullmatch(value) and value.lower() not in _RESERVED
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')

    Dumper.add_representer(str, text)
    return str(yaml.dump(_plain(document), Dumper=Dumper, sort_keys=False, width=_UNFOLDED))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def comment(*lines: str) -> str:
    """Comment lines; whatever a line holds stays inside its comment."""
    return "".join(f"# {_UNPRINTABLE.sub('?', line)}".rstrip() + "\n" for line in lines)
