"""`vram plugins`: what is loaded, from which package, and what failed."""

from __future__ import annotations

import click


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(as_json: bool) -> None:
    """List plugins with their distribution, version and hooks; failed ones with the reason.

    VRAM_DISABLED_PLUGINS=name,name turns plugins off.
    """
    from attrs import asdict

    from vram.manager import plugins

    registry = plugins()
    registry.load_all()
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
