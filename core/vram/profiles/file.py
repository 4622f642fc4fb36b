"""One profile file as records."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vram.errors import ProfileError
from vram.models.profile import Constant, OverheadProfile
from vram.models.record import evolve
from vram.plugin.conform import problem_of
from vram.profiles.gpus import read_gpus
from vram.profiles.table import PROVENANCES, Table

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # importing them costs more than reading the files
    from pathlib import Path

LARGEST_FILE = 2**20


def read_profile(path: str | Path | Traversable) -> OverheadProfile:
    """The profile of one file, without its presets. Raises ProfileError naming file and field."""
    return read_profiles(path)[0]


def read_profiles(path: str | Path | Traversable) -> tuple[OverheadProfile, ...]:
    """The profile of one file, then its presets (same GPUs and constants, with a default GPU and count).

    Raises ProfileError naming file and field.
    """
    return parse(path, read_text(path))


def read_text(path: str | Path | Traversable) -> str:
    """The file's text. Raises ProfileError when it cannot be read, is too large or is not UTF-8."""
    try:
        if not (os.path.isfile(path) if isinstance(path, str) else path.is_file()):
            raise ProfileError(path=str(path), problem="is no file that is there")
        with open(path, "rb") if isinstance(path, str) else path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise ProfileError(path=str(path), problem=f"is larger than {LARGEST_FILE} bytes")
        return raw.decode().replace("\r\n", "\n")
    except OSError as error:
        raise ProfileError(path=str(path), problem=error.strerror or type(error).__name__) from error
    except UnicodeDecodeError as error:
        raise ProfileError(path=str(path), problem="is not UTF-8") from error


def parse(path: str | Path | Traversable, text: str, *, calibrated: bool | None = None) -> tuple[OverheadProfile, ...]:
    """`read_profiles` of a text that is already read. `calibrated` is what holds where the text does not say: by
    default, whether it has constants. Raises ProfileError."""
    top = Table(path=str(path), where="", values=_toml(path, text))
    name = top.text("name")
    source = top.text("source", default="")
    capability = top.version("compute_capability", length=2, default=(0, 0))
    platform = top.text("platform", default="cuda")
    gpus = tuple(gpu for table in top.tables("gpus") for gpu in read_gpus(table, name, capability, source, platform))
    constants = tuple(_constant(table) for table in top.tables("constants"))
    profile = OverheadProfile(
        name=name,
        aliases=top.texts("aliases"),
        description=top.text("description", default=""),
        gpus=gpus,
        constants=constants,
        calibrated=top.flag("calibrated", default=bool(constants) if calibrated is None else calibrated),
        fragmentation_factor=top.number("fragmentation_factor", default=1.0, at_least=1.0),
        gpu=top.text("gpu", default="") or None,
        gpu_count=top.integer("gpu_count", default=0) or None,
        source=source,
    )
    presets = tuple(_preset(table, profile) for table in top.tables("presets"))
    top.refuse_the_rest()
    _check_names(top, (profile, *presets))
    return (profile, *presets)


def _toml(path: str | Path | Traversable, text: str) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ProfileError(path=str(path), problem="is nested too deeply") from error
    except ValueError as error:  # not TOML, or a number of too many digits
        raise ProfileError(path=str(path), problem=f"is not TOML ({error})") from error


def _constant(table: Table) -> Constant:
    value = table.number("value")
    until = table.version("until", length=3, default=())
    constant = Constant(
        name=table.text("name"),
        value=value,
        low=table.number("low", default=value),
        high=table.number("high", default=value),
        provenance=table.choice("provenance", PROVENANCES),  # type: ignore[arg-type]
        source=table.text("source"),
        samples=table.integer("samples", default=0),
        since=table.version("since", length=3, default=(0, 0, 0)),  # type: ignore[arg-type]
        until=until or None,  # type: ignore[arg-type]
    )
    if not constant.low <= constant.value <= constant.high:
        raise table.refusal("value", f"must lie between low and high ({constant.low} to {constant.high})")
    fault = problem_of(constant)
    if fault is not None:
        raise table.refusal("name", fault.removeprefix(", which "))
    table.refuse_the_rest()
    return constant


def _preset(table: Table, profile: OverheadProfile) -> OverheadProfile:
    preset = evolve(
        profile,
        name=table.text("name"),
        aliases=table.texts("aliases"),
        description=table.text("description", default=profile.description),
        gpu=table.text("gpu"),
        gpu_count=table.integer("gpu_count", default=1, at_least=1),
    )
    table.refuse_the_rest()
    return preset


def _check_names(top: Table, profiles: tuple[OverheadProfile, ...]) -> None:
    names = [gpu.name for gpu in profiles[0].gpus]
    for profile in profiles:
        if profile.gpu is not None and names and profile.gpu not in names:
            raise top.refusal("gpu", f"of {profile.name!r} is none of its GPUs ({profile.gpu!r})")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise top.refusal("gpus", f"has {repeated[0]!r} twice")
