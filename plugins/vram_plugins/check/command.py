"""`vram check`: every vLLM server of a repository."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from vram.commands import GroupedCommand, workload_options

if TYPE_CHECKING:
    from vram_plugins.check.records import Checked

_FORMATS = ("text", "json", "github", "sarif", "junit")
_NARROWEST, _NO_TERMINAL = 24, 120


@click.command("check", cls=GroupedCommand)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--gpu", multiple=True, metavar="[N x ]GPU", help="Where a file names none. Several: each is answered for."
)
@click.option(
    "--vram-gib", "gpu_memory_gib", type=float, default=None, help="Memory of one GPU, where a file names none."
)
@click.option("--vllm-version", default=None, help="Where a file tells none; default: the newest known.")
@click.option(
    "--model-for", multiple=True, metavar="SERVED=MODEL", help="What a served path or id is here; repeatable."
)
@click.option("--profile", default=None, help="Overhead profile by name, for every server.")
@workload_options
@click.option("--accept-borderline", is_flag=True, help="A start that is too close to be sure passes.")
@click.option("--allow-unknown", is_flag=True, help="What is not understood is told, and passes.")
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Leave out, as a line of .gitignore; .vramignore files, too."
)
@click.option("--offline", is_flag=True, help="Ask nobody: folders, the Hub's cache and the catalog alone.")
@click.option(
    "--trust-remote-code", is_flag=True, help="Where a file asks for it, run code from the model's repository."
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True, help="What to write.")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@click.option("-o", "--output", metavar="FILE", default=None, help="Write that into a file, and text to the terminal.")
def command(paths: tuple[str, ...], **options: Any) -> None:
    """Find every vLLM server in files and folders, and say of each whether it starts and fits.

    Manifests, compose files, scripts, values, notebooks and more are read; nothing in them is run. Exit codes: 0 all start and
    fit; 1 one does not, or may not; 2 something was not understood, and none is known to fail.

    \b
    vram check . --gpu H100
    vram check deploy/ --gpu "2 x L40S" --format sarif -o vram.sarif
    """
    from vram.commands import Progress, warn_about_plugins
    from vram_plugins.check.checking import check

    form = "json" if options.pop("as_json") else options.pop("form")
    options.pop("form", None)
    output, allow_unknown = options.pop("output"), options.pop("allow_unknown")
    progress = Progress()
    try:
        checked = check(paths, progress=lambda done, total: progress("Checking", done, total), **options)
    finally:
        progress.close()
    warn_about_plugins()
    for note in checked.notes:
        click.echo(f"Note: {note}.", err=True)
    text = _written(checked, form, allow_unknown, colours=output is None)
    if output is not None:
        _write(output, text)
    if output is None or form != "text":
        shown = text if output is None else _written(checked, "text", allow_unknown, colours=True)
        click.echo(shown, nl=False, color=_coloured())
    code = checked.exit_code(allow_unknown=allow_unknown)
    if code:
        raise click.exceptions.Exit(code)


def _written(checked: Checked, form: str, allow_unknown: bool, *, colours: bool) -> str:
    match form:
        case "json":
            from vram_plugins.check.formats.json_text import written as as_json

            return as_json(checked)
        case "github":
            from vram_plugins.check.formats.github import written as as_annotations

            return as_annotations(checked, allow_unknown=allow_unknown)
        case "sarif":
            from vram_plugins.check.formats.sarif import written as as_sarif

            return as_sarif(checked, allow_unknown=allow_unknown)
        case "junit":
            from vram_plugins.check.formats.junit import written as as_junit

            return as_junit(checked, allow_unknown=allow_unknown)
    from vram_plugins.check.formats.text import written as as_text

    text = as_text(checked, width=_width())
    return text if colours else click.unstyle(text)


def _width() -> int:
    """Of the terminal, or as COLUMNS says."""
    fallback = _NO_TERMINAL if not sys.stdout.isatty() else 80
    return max(_NARROWEST, shutil.get_terminal_size((fallback, 24)).columns)


def _coloured() -> bool | None:
    """None leaves it to whether standard output is a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def _write(output: str, text: str) -> None:
    """Raises OutputError."""
    from vram.deploy import write_files
    from vram.models.artifact import GeneratedFile

    folder, name = os.path.split(output)
    write_files(folder or ".", [GeneratedFile(path=name, text=text)], force=True)
