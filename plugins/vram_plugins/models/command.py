"""`vram models`: the bundled catalog."""

from __future__ import annotations

import click


@click.command("models")
@click.argument("search", required=False)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(search: str | None, as_json: bool) -> None:
    """List models whose facts are bundled: answered for offline and without a token.

    SEARCH keeps those whose id contains it.

    \b
    vram models qwen3
    """
    from vram.checkpoint import list_catalog

    entries = [entry for entry in list_catalog() if not search or search.lower() in entry.id.lower()]
    if as_json:
        from json import dumps

        from attrs import asdict

        click.echo(dumps([asdict(entry) for entry in entries], indent=1))
        return
    for entry in entries:
        click.echo(entry.id)
    if not entries:
        click.echo(f"No bundled model matches {search!r}; any Hub id or folder works too.", err=True)
