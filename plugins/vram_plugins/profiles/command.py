"""`vram profiles`: GPUs and overhead profiles, with their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vram.models.profile import OverheadProfile


@click.group("profiles", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List overhead profiles and their GPUs; `vram profiles show NAME` tells all about one."""
    if ctx.invoked_subcommand:
        return
    from vram.models.platform import architecture_words
    from vram.plugin import plugins

    found = {**_saved(), **{profile.name: profile for profile in plugins().profiles.values()}}
    if as_json:
        from json import dumps

        from vram_plugins.profiles.facts import profile_to_dict

        click.echo(dumps([profile_to_dict(found[name]) for name in sorted(found)], indent=1))
        return
    from vram.report import print_rows
    from vram.units import format_gib

    rows = []
    for name in sorted(found):
        profile = found[name]
        known = "measured constants" if profile.calibrated and profile.constants else "facts only"
        rows.append((name, "", known if profile.gpus else profile.description))
        for gpu in profile.gpus:
            rows.append(("", gpu.name, f"{format_gib(gpu.memory_bytes)}, {architecture_words(gpu.compute_capability)}"))
    print_rows(("profile", "GPU", "facts"), rows)


def _saved() -> dict[str, OverheadProfile]:
    """The user's own profiles; one that cannot be read is named and left out."""
    from vram.errors import VramError
    from vram.profiles import read_saved, saved_names

    found = {}
    for name in saved_names():
        try:
            found[name] = read_saved(name)
        except VramError as error:
            click.echo(f"Left out: {error}", err=True)
    return found


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def show(name: str, as_json: bool) -> None:
    """Everything about one profile or GPU: facts, constants, sources."""
    from vram.errors import UnknownNameError
    from vram.gpus import find_gpu
    from vram.plugin import plugins
    from vram_plugins.profiles.facts import gpu_to_dict, print_facts, profile_to_dict

    profiles = plugins().profiles
    saved = {} if name in profiles else _saved()
    if name in profiles or name in saved:
        facts = profile_to_dict(profiles.get(name) or saved[name])
    else:
        try:
            facts = gpu_to_dict(find_gpu(name, profiles))
        except UnknownNameError as error:
            known = (*profiles, *(gpu.name for profile in profiles.values() for gpu in profile.gpus))
            raise UnknownNameError(kind="profile or GPU", name=name, known=known) from error
    if as_json:
        from json import dumps

        click.echo(dumps(facts, indent=1))
    else:
        print_facts(facts)
