"""The objects of a Kubernetes file, lists opened, and what pods of the same file may refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vram.models.deployment_reader import DeploymentText
from vram.models.record import field, frozen
from vram_plugins.readers.containers import Around
from vram_plugins.readers.documents import Block, Text, documents, text_at, with_texts

_MANIFEST = re.compile(r"""^[ \t{,"'-]*apiVersion["']?[ \t]*:""", re.MULTILINE)
_PARAMETER = re.compile(r"\$\{\{(\w+)\}\}|\$\{(\w+)\}")
_MAX_LISTS = 4


@frozen(kw_only=True)
class Manifest:
    """One object: `kind` as it stands, `group` the API group ("apps", "serving.kserve.io"), "" for the core."""

    kind: str
    group: str
    name: str
    block: Block = field(eq=False, repr=False)

    @property
    def title(self) -> str:
        """How people and kubectl name it."""
        return f"{self.kind}/{self.name}" if self.name else self.kind


def looks_like_manifests(text: str) -> bool:
    """Whether a text has the key that every object of Kubernetes has."""
    return "apiVersion" in text and "kind" in text and _MANIFEST.search(text) is not None


def manifests(text: DeploymentText) -> tuple[Manifest, ...]:
    """The objects of a file. Raises CheckpointError where it is broken."""
    return objects_of(documents(text.path, text.text))


def objects_of(blocks: Sequence[Block]) -> tuple[Manifest, ...]:
    """The objects that documents are, lists and OpenShift's templates opened."""
    return tuple(_opened(blocks, 0))


def _opened(blocks: Sequence[Block], depth: int) -> Iterator[Manifest]:
    for block in blocks:
        kind = block.text("kind")
        if kind is None or block.text("apiVersion") is None:
            continue
        if kind.endswith("List") and block.get("items") is not None and depth < _MAX_LISTS:
            yield from _opened(block.blocks("items"), depth + 1)
            continue
        if kind == "Template" and depth < _MAX_LISTS:  # OpenShift's
            given = {p.text("name") or "": v for p in block.blocks("parameters") if (v := p.text("value")) is not None}
            objects = [_filled(one, given) for one in block.blocks("objects")] if given else block.blocks("objects")
            yield from _opened(objects, depth + 1)
            continue
        version = block.text("apiVersion") or ""
        name = block.text("metadata", "name") or block.text("metadata", "generateName") or ""
        yield Manifest(kind=str(kind), group=version.rpartition("/")[0], name=str(name), block=block)


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    """An object of a template with the values of its parameters, `${NAME}` and `${{NAME}}`."""

    def put(text: Text) -> Text:
        filled = _PARAMETER.sub(lambda match: given.get(match[1] or match[2], match[0]), text)
        return text_at(filled, text.line)

    return with_texts(value, lambda text: put(text) if "${" in text else text)


def around(found: Sequence[Manifest], **environment: str) -> Around:
    """ConfigMaps and claim templates of a file by their names; `environment` what a controller sets in every pod."""
    return Around(
        configs={one.name: one.block for one in found if one.kind == "ConfigMap"},
        claims={one.name: one.block for one in found if one.kind in {"ResourceClaimTemplate", "ResourceClaim"}},
        environment=environment,
    )
