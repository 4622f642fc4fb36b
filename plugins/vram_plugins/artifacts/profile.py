"""`--emit profile`: what was asked, as a YAML file that `estimate`, `plan` and `generate` read back."""

from __future__ import annotations

from collections.abc import Iterable

from vram.deploy.profile_file import profile_text
from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile


class Profile(Artifact):
    """The request itself; reading it back and writing it again gives the same file."""

    name = "profile"
    description = "profile.yaml: what was asked, for `vram ... -p profile.yaml`"
    serves = False

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        return (GeneratedFile(path="profile.yaml", text=profile_text(request.asked)),)


def artifacts() -> Iterable[Artifact]:
    """The artifact, as the package names it first."""
    yield Profile()
