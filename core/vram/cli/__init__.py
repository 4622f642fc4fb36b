"""The command `vram` and its own commands, loaded when they are called: help, version and completion load no plugin.

Plugins announce commands with a record, and of a plugin that is all that the help reads.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from typing import TYPE_CHECKING

import click

from vram import __version__
from vram.cli.streams import abandon, finish, prepare
from vram.errors import VramError
from vram.models.record import evolve
from vram.plugin.lazy import named
from vram.plugin.own import OWN

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from vram.models.command import Command
    from vram.plugin.commands import GivenCommand

#: most commands create 100,000 objects, none of them garbage: looking for it takes a fifth of their time
_OBJECTS_PER_COLLECTION = 100_000


#: faults of the output, which are nobody's
_OUTPUT = frozenset({errno.EPIPE, errno.ENOSPC, errno.EIO})


class _LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps without importing them."""

    def announced(self) -> dict[str, Command]:
        """What `--help` says of each command: vram's own in their order, then plugins'."""
        from vram.plugin.commands import given_commands

        found = {own.name: own for own in OWN}
        for name, claims in given_commands().by_name.items():
            by = " and ".join(claim.source for claim in claims[:2])
            twice = evolve(claims[0].command, summary=f"(claimed by both {by})")
            found.setdefault(name, claims[0].command if len(claims) == 1 else twice)
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.announced())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = next((one for one in OWN if one.name == cmd_name), None)
        if own is not None:
            command = named(own.load)
            assert isinstance(command, click.Command)
            return command
        from vram.plugin.commands import given_commands

        plugins = given_commands()
        given = plugins.command(cmd_name)
        if given is not None:
            return _loaded(given)
        for reason in () if ctx.resilient_parsing else plugins.skipped:
            click.echo(f"Warning: {reason}", err=True)
        return None

    def invoke(self, ctx: click.Context) -> object:
        """As click's; what a third party's command did not expect is its plugin's fault."""
        try:
            return super().invoke(ctx)
        except (VramError, click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            from vram.plugin.commands import given_commands

            given = given_commands().by_name.get(ctx.invoked_subcommand or "", ())
            full = isinstance(error, OSError) and error.errno in _OUTPUT
            if full or not given or given[0].origin.is_ours:
                raise
            raise given[0].origin.error(f"{ctx.invoked_subcommand} raises {type(error).__name__}: {error}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        rows: dict[str, list[tuple[str, str]]] = {}
        announced = self.announced()
        width = max(map(len, announced))
        for name, command in announced.items():
            rows.setdefault(command.heading, []).append((name.ljust(width), command.summary))
        for heading, listed in rows.items():
            with formatter.section(heading):
                formatter.write_dl(listed)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click's, which would import every command that comes into question."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=command.summary)
            for name, command in self.announced().items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _loaded(given: GivenCommand) -> click.Command:
    from vram.plugin.commands import loaded

    command = loaded(given, given.command.load)
    if not isinstance(command, click.Command):
        raise given.origin.error(f"{given.command.load} is a {type(command).__name__}, not a click command")
    return command


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """This version and those of third-party plugin packages, without loading any."""
    if not wanted or ctx.resilient_parsing:
        return
    from vram.plugin.discovery import installed
    from vram.plugin.marker import DISTRIBUTION
    from vram.vllm.versions import NEWEST, OLDEST, format_version

    click.echo(f"vram {__version__} (vLLM {format_version(OLDEST)} to {format_version(NEWEST)})")
    for name, version in sorted({(found.distribution, found.version) for found in installed()}):
        if name != DISTRIBUTION:
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
    """Entry point: a VramError is one sentence and exit code 2, and so is an output that takes no more; an interrupt leaves no
    traceback.
    """
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    prepare()
    try:
        code = _ended()
        finish()
        sys.exit(code)
    except VramError as error:
        _tell_of_plugins()
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except OSError as error:  # what is read is told as a VramError: this is of the output
        abandon()
        click.echo(f"Error: the output could not be written to its end ({error.strerror or error}).", err=True)
        sys.exit(2)
    finally:
        gc.freeze()  # the interpreter would look for garbage once more before it gives all memory back anyway


def _ended() -> int:
    """The exit code of the command that was asked for."""
    output = sys.stdout
    try:
        code = cli.main(standalone_mode=False)
    except SystemExit as ended:
        if sys.stdout is not output:  # click's own answer to a closed pipe: it wraps it, and ends with 1
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
        code = ended.code
    return code if isinstance(code, int) else 0


def _tell_of_plugins() -> None:
    """A name that nobody knows may be one of a plugin that was skipped."""
    if "vram.plugin.manager" in sys.modules:
        from vram.commands.answers import warn_about_plugins

        warn_about_plugins()
