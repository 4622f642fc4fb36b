"""The command `vram`. Commands are loaded when they are called: help, version and completion load no plugin."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import click

from vram import __version__
from vram.errors import VramError

_COMMANDS = {
    "estimate": ("vram.cli.estimate", "Will it start, and what will it hold? Per GPU, before you rent it."),
    "max-context": ("vram.cli.max_context", "The largest context that fits at a number of users."),
    "plan": ("vram.cli.plan", "How to run it: flags that start and fit, on the fewest GPUs, with the reasons."),
    "generate": ("vram.cli.generate", "Files that deploy an answer: a command, compose, Kubernetes, Helm, a profile."),
    "compare": ("vram.cli.compare", "Which hardware runs it: GPUs × counts × quantization, least or cheapest first."),
    "max-concurrency": ("vram.cli.max_concurrency", "The most users that fit at a context length."),
    "reconcile": ("vram.cli.reconcile", "A real start-up log against the estimate; diagnosis of a crash."),
    "calibrate": ("vram.cli.calibrate", "Measure this machine with vLLM and keep the result as a profile."),
    "web": ("vram.cli.web", "The same answers as a page on this machine: look and drag."),
    "detect": ("vram.cli.detect", "This machine's GPUs, their free memory and the matching profile."),
    "models": ("vram.cli.models", "The bundled catalog: models answered for offline and without a token."),
    "profiles": ("vram.cli.profiles", "GPUs and overhead profiles, with their sources."),
    "plugins": ("vram.cli.plugins", "What is loaded, from which package, and what failed."),
}


#: most commands create 100,000 objects, none of them garbage: looking for it takes a fifth of their time
_OBJECTS_PER_COLLECTION = 100_000


class _LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """This version and those of third-party plugin packages, without loading any."""
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import entry_points

    click.echo(f"vram {__version__}")
    others = {entry.dist for entry in entry_points(group="vram") if entry.dist}
    for name, version in sorted({(dist.name, dist.version) for dist in others if dist.name != "vram-estimator"}):
        click.echo(f"plugin {name} {version}")
    ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Versions.")
def cli() -> None:
    """Will this model start under vLLM on this hardware, and what will it hold?

    Predicts what vLLM prints when it starts, from a model's config alone: no download, no GPU, no torch.

    \b
    vram estimate Qwen/Qwen3-8B --gpu "RTX 4090" --max-model-len 32768
    vram max-context meta-llama/Llama-3.3-70B-Instruct --gpu H100 --tp 4 --concurrency 16

    Exit codes: 0 answered; 1 answered and does not fit (with --check); 2 bad input.
    """


def main() -> None:
    """Entry point: a VramError is one sentence and exit code 2; an interrupt leaves no traceback."""
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except VramError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    finally:
        gc.freeze()  # the interpreter would look for garbage once more before it gives all memory back anyway
