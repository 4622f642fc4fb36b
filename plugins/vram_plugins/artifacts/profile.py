"""`--emit profile`: what was asked, as a YAML file that `estimate`, `plan` and `generate` read back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import fields

from vram.deploy.profile_file import ENGINE_PLACES, OTHERS, PLACES, SECTIONS, VERSION
from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram.models.saved_request import SavedRequest, Serving
from vram_plugins.artifacts.yaml_text import comment, yaml_text


class Profile(Artifact):
    """The request itself; reading it back and writing it again gives the same file."""

    name = "profile"
    description = "profile.yaml: what was asked, for `vram ... -p profile.yaml`"
    serves = False

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        return (GeneratedFile(path="profile.yaml", text=profile_text(request.asked)),)


def profile_text(request: SavedRequest) -> str:
    """A request as a profile file. Only what was said is written."""
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for field, (section, key) in PLACES.items():
        value = getattr(request, field)
        if value is not None and value is not False and value != ():
            sections[section][key] = value
    others = {}
    for name, value in request.engine_args.items():
        if name in ENGINE_PLACES:
            sections[ENGINE_PLACES[name]][name] = value
        else:
            others[name] = value
    if others:
        sections["outputs"][OTHERS] = others
    plain = Serving()
    for attribute in fields(Serving):
        value = getattr(request.serving, attribute.name)
        if value != getattr(plain, attribute.name):
            sections["outputs"][attribute.name] = value
    document = {"profile_version": VERSION, **{name: content for name, content in sections.items() if content}}
    header = comment(
        "What was asked. Read it back with: vram estimate -p FILE, vram plan -p FILE, vram generate -p FILE -o DIR",
        "Flags on the command line win over what stands here. Secrets have no place in it.",
    )
    return header + yaml_text(document)


def artifacts() -> Iterable[Artifact]:
    """The artifact, as the package names it first."""
    yield Profile()
