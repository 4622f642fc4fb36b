"""`vram web`: the page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("web")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; others than loopback open it to the network.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8631, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="A further name under which browsers reach it.")
@click.option(
    "--cors", multiple=True, metavar="ORIGIN", help="Pages of this origin may ask /api/v1; no local file is read then."
)
@click.option("--open/--no-open", "opened", default=None, help="Open a browser; default: where there is a desktop.")
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Write a copy that needs no server, for any static host, and end.",
)
@click.option(
    "--pyodide",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=None,
    metavar="DIR",
    help="With --export: the npm package that runs Python in the browser; else ./node_modules, or npm fetches it.",
)
def command(
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    cors: tuple[str, ...],
    opened: bool | None,
    folder: Path | None,
    pyodide: Path | None,
) -> None:
    """Look and drag instead of reading flags: a page on this machine, with the same answers.

    It keeps nothing and asks nobody but the Hub, for models you name. Other machines (with --host) cannot have local files
    read. Programs ask /api/v1, which /api/v1/openapi.json describes.

    \b
    vram web
    vram web --host 0.0.0.0 --allow-host gpu-box.example
    vram web --export site
    """
    if folder is not None:
        _export(folder, pyodide)
        return
    import sys

    from vram.commands import warn_about_plugins
    from vram.errors import InputError
    from vram_plugins.web.guard import is_loopback
    from vram_plugins.web.server import Server

    try:
        server = Server(host, port, allow_host, cors)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            name="host and port", value=f"{host}:{port}", problem=f"cannot be listened on: {reason}"
        ) from None
    try:
        warn_about_plugins()
        click.echo(f"The page is at {server.url} (Ctrl-C ends it)")
        sys.stdout.flush()
        if not is_loopback(host):
            click.echo("Everybody who reaches this address can use it; there is no password.", err=True)
        if opened or (opened is None and sys.stdout.isatty()):
            click.launch(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("Ended.", err=True)
    finally:
        server.server_close()


def _export(folder: Path, pyodide: Path | None) -> None:
    """The copy, and how to look at it."""
    from vram_plugins.web.export import export

    written = export(folder, pyodide)
    size = sum(path.stat().st_size for path in written) / 2**20
    click.echo(f"{len(written)} files, {size:.0f} MiB, in {folder}; any static host serves them. To look:")
    click.echo(f"  python -m http.server --directory {folder}")
