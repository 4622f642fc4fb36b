"""`vram mcp`: answers as tools, over standard input and output or HTTP."""

from __future__ import annotations

import click


@click.command("mcp")
@click.option(
    "--allow-files",
    multiple=True,
    metavar="FOLDER",
    help="Models, logs and deployment files in it may be read; without, none of this machine's are.",
)
@click.option("--http", is_flag=True, help="Streamable HTTP at /mcp, in place of standard input and output.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http: the address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8632, show_default=True, help="With --http: its port.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="With --http: a further name under which it is reached."
)
def command(allow_files: tuple[str, ...], http: bool, host: str, port: int, allow_host: tuple[str, ...]) -> None:
    """Give an assistant the tools estimate, plan, compare, check, reconcile, models and gpus (Model Context Protocol).

    An assistant starts it itself: put `vram mcp` into its configuration. It asks nobody but the Hub, for models that are named.

    \b
    vram mcp --allow-files ~/deploy
    vram mcp --http --port 8632
    """
    from vram_plugins.programs.files import allowed

    files = allowed(allow_files)
    try:
        from vram_plugins.mcp.transports import over_http, over_stdio
    except ModuleNotFoundError as error:
        from vram.errors import InputError

        problem = "needs the Model Context Protocol's SDK; install it with: pip install 'vram-estimator[mcp]'"
        raise InputError(name="mcp", value=None, problem=problem) from error
    if http:
        over_http(files, host, port, allow_host)
    else:
        over_stdio(files)
