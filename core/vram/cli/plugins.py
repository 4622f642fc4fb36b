"""`vram plugins`: what is loaded, from which package, and what failed."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("plugins", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List plugins with their distribution, version and hooks; failed ones with the reason.

    VRAM_DISABLED_PLUGINS=name,name turns plugins off. `vram plugins check` holds them against the contracts.
    """
    if ctx.invoked_subcommand:
        return
    from attrs import asdict

    from vram.plugin.manager import plugins

    registry = plugins()
    conflicts = registry.load_all()
    if as_json:
        from json import dumps

        click.echo(dumps([{**asdict(info), "hooks": list(info.hooks)} for info in registry.infos], indent=1))
        return
    from vram.report.listing import print_rows

    rows = [
        (
            info.name,
            f"{info.distribution} {info.version}",
            "disabled" if info.disabled else info.error or ", ".join(h.removeprefix("vram_") for h in info.hooks),
        )
        for info in registry.infos
    ]
    print_rows(("plugin", "from", "gives"), rows)
    for conflict in (*conflicts, *_clashes()):
        click.echo(f"Conflict: {conflict}", err=True)


def _clashes() -> tuple[str, ...]:
    """GPUs that two plugins give; none where profiles themselves are in conflict or cannot be read, which others tell."""
    from vram.errors import VramError
    from vram.gpus import gpu_clashes
    from vram.plugin.manager import plugins

    try:
        return gpu_clashes(plugins().profiles)
    except VramError as error:
        return (str(error),)


@command.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Write a plugin package to start from into FOLDER: one hook of each kind, a profile file and its test.

    \b
    vram plugins new my-format && pip install -e my-format pytest && pytest my-format
    """
    from vram.deploy import write_files
    from vram.testing.template import template_files

    written = write_files(folder, template_files(folder.name))
    click.echo(f"{len(written)} files in {folder}. Keep the hooks you need, delete the others, and try it:")
    click.echo(f"pip install -e {folder} pytest && pytest {folder} && vram plugins check")


@command.command("check")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Hold plugins against the contracts: types, names, sizes, errors. Exit with 1 when one is broken.

    NAMES are plugins as `vram plugins` lists them, or dotted module names; without any, all that is installed.
    """
    from vram.plugin.manager import plugins, with_module
    from vram.testing import problems_of

    modules = {info.name: info.module for info in plugins().infos if not info.disabled}
    wanted = {name: modules.get(name, name) for name in names} or modules
    found: dict[str, list[str]] = {}
    conflicts: list[str] = []
    for name, module in wanted.items():
        found[name] = list(problems_of(module))
        if names:
            with with_module(module) as registry:
                told = (*registry.load_all(), *_clashes())
                sources = {info.source for info in registry.infos if info.module == module}
                found[name] += [one for one in told if any(source in one for source in sources)]
    if not names:
        conflicts = [*plugins().load_all(), *_clashes()]
        found |= {"conflicts": conflicts} if conflicts else {}
    broken = {name: problems for name, problems in found.items() if problems}
    if as_json:
        from json import dumps

        click.echo(dumps(found, indent=1))
    else:
        for name, problems in broken.items():
            for problem in problems:
                click.echo(f"{name}: {problem}")
        click.echo(f"{len(found)} plugin{'s' * (len(found) != 1)} checked, {len(broken)} broken.")
    if broken:
        raise click.exceptions.Exit(1)
