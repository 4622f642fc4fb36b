"""`vram performance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands import GroupedCommand, engine_options, hardware_options, model_options, workload_options

if TYPE_CHECKING:
    from vram.models.performance import Performance
    from vram_plugins.performance.measured import Comparison


@click.command("performance", cls=GroupedCommand)
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--prompt-tokens", type=int, default=1000, show_default=True, help="Tokens of each prompt.")
@click.option("--gen-tokens", type=int, default=200, show_default=True, help="Tokens of each answer.")
@click.option("--burst", is_flag=True, help="The --concurrency requests come all at once, and no more after them.")
@click.option(
    "--request-rate",
    type=float,
    default=None,
    help="Requests per second that arrive by themselves (Poisson), not a closed loop.",
)
@click.option("--requests", type=int, default=None, help="With --request-rate: how many arrive in all; default: 200.")
@click.option(
    "--prefix-hit-rate",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of a prompt's tokens that the prefix cache has.",
)
@click.option(
    "--measured",
    multiple=True,
    metavar="FILE",
    help="A result of `vllm bench serve --save-result`, or a log with its lines, to compare with; may be repeated.",
)
@click.option("--save", metavar="NAME", default=None, help="With --measured: keep the correction: --profile NAME.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(**options: Any) -> None:
    """How fast one replica answers: time to first token, time per token and throughput, each with a range.

    The load is a closed loop of --concurrency clients, a burst of as many requests, or requests at a rate. With --measured the
    loads are those of the benchmarks; where the model is off is said, and --save keeps what corrects it for this machine.

    \b
    vram performance Qwen/Qwen3-8B --gpu H100 --prompt-tokens 4000 --gen-tokens 500 --concurrency 32
    vram performance Qwen/Qwen3-8B --gpu H100 --request-rate 5
    vram performance Qwen/Qwen3-8B --gpu H100 --measured bench.json --save my-h100
    """
    from vram.commands import warn_about_plugins
    from vram.errors import InputError

    if options["save"] and not options["measured"]:
        raise InputError(
            name="save", value=options["save"], problem="keeps what --measured shows, and nothing was measured"
        )
    if options["measured"]:
        found = _compared(options)
        warn_about_plugins()
        _tell_comparison(found, options)
        return
    speed = _asked(options)
    warn_about_plugins()
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(speed.to_dict(), indent=1))
        return
    from vram_plugins.performance.table import print_performance

    print_performance(speed)


def _asked(options: dict[str, Any]) -> Performance:
    """The answer of `vram.performance` for a command's options. Raises VramError."""
    import vram
    from vram.commands import arguments_from, opened, pasted_command

    arguments = opened(arguments_from(options, pasted_command(options)))
    del arguments["policy"]  # what counts as fitting changes no speed
    return vram.performance(
        **arguments,
        prompt_tokens=options["prompt_tokens"],
        gen_tokens=options["gen_tokens"],
        burst=options["burst"],
        request_rate=options["request_rate"],
        requests=options["requests"],
        prefix_hit_rate=options["prefix_hit_rate"],
    )


def _compared(options: dict[str, Any]) -> Comparison:
    """The benchmarks beside the model. Raises VramError."""
    from vram.ask import ask
    from vram.commands import arguments_from, opened, pasted_command
    from vram.components import compute
    from vram.plugin import plugins
    from vram.profiles import check_name
    from vram_plugins.performance.bench import read_benches
    from vram_plugins.performance.measured import compare

    name = check_name(options["save"] or "this-machine", taken=tuple(plugins().profiles))
    benches = [bench for path in options["measured"] for bench in read_benches(path)]
    parts = compute(ask(**opened(arguments_from(options, pasted_command(options)))))
    return compare(parts, benches, name)


def _tell_comparison(found: Comparison, options: dict[str, Any]) -> None:
    from vram.profiles import save_profile

    path = save_profile(found.profile) if options["save"] else None
    if options["as_json"]:
        from json import dumps

        click.echo(dumps({**found.to_dict(), "saved": str(path) if path else None}, indent=1))
        return
    from vram_plugins.performance.table import print_comparison

    print_comparison(found)
    if path:
        click.echo(f"Saved to {path}. Use it: vram performance MODEL --profile {found.profile.name}")
