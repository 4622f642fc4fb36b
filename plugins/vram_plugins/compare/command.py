"""`vram compare`: models × GPUs × counts × quantization × KV dtype, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands import GroupedCommand, engine_options, report_options, workload_options, write_reports
from vram_plugins.targets.options import target_options, targets_from

if TYPE_CHECKING:
    from vram.models.comparison import Comparison
    from vram.report import Document
    from vram.serving import ServeCommand


@click.command("compare", cls=GroupedCommand)
@click.argument("models", metavar="[MODEL... | -- vllm serve ...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--from-file", default=None, metavar="FILE", help="A file that runs vLLM: a script, a manifest ...; - is a pipe."
)
@click.option(
    "--server", default=None, metavar="NAME", help="Which of several servers of --from-file, by name or line."
)
@click.option("--model-for", multiple=True, metavar="SERVED=MODEL", help="What a path or id of the command is here.")
@click.option(
    "--gpu", "gpus", multiple=True, help='A GPU, or several with commas: H100,"RTX 4090". Default: all known.'
)
@click.option("--counts", "--gpus", default="1,2,4,8", show_default=True, help="Numbers of GPUs to try.")
@click.option("--quantizations", default=None, help="Of the weights: none,fp8,awq ... none is the checkpoint as it is.")
@click.option("--kv-cache-dtypes", "--kv-dtypes", default="auto", show_default=True, help="auto,fp8 ...")
@click.option("--prices", default=None, help="Price per GPU and hour: a TOML, JSON, YAML or CSV file.")
@click.option(
    "--price", multiple=True, metavar="NAME=PRICE", help="One price: H100=2.49, L40S=0.90EUR, p5.48xlarge=6.88."
)
@click.option(
    "--prompt-tokens", type=int, default=None, help="Tokens of a prompt, for speed.  [default: 1024, or what fits]"
)
@click.option(
    "--gen-tokens", type=int, default=None, help="Tokens of an answer, for speed.  [default: 256, or what fits]"
)
@click.option(
    "--sort",
    type=click.Choice(["best", "price", "value", "speed", "first-token", "memory"]),
    default="best",
    show_default=True,
    help="What comes first of what fits.",
)
@click.option(
    "--kind", "kinds", multiple=True, help="datacenter, workstation, consumer, edge.  [default: all but edge]"
)
@click.option(
    "--cloud", "clouds", multiple=True, help="Only what is rented there: aws, google, azure, oracle, runpod ..."
)
@click.option("--min-memory-gib", type=float, default=None, help="Least memory of one GPU, as on its box.")
@click.option("--max-memory-gib", type=float, default=None, help="Most memory of one GPU, as CUDA reports it.")
@click.option(
    "--in-stock", default=None, metavar="LIST", help="Only these: names with commas, or a file with one a line."
)
@target_options
@click.option("--meets", is_flag=True, help="Only what keeps the targets.")
@engine_options
@workload_options
@click.option("--vllm-version", default=None, help="vLLM version to predict; default: the newest known.")
@click.option("--revision", default=None, help="Branch, tag or commit on the Hub.")
@click.option("--trust-remote-code", is_flag=True, help="Allow code from the model's repository to run.")
@click.option("--limit", type=int, default=20, show_default=True, help="Most lines of the table; 0 for all.")
@click.option(
    "--all", "unfold", is_flag=True, help="Every edition of a card, and what has no price, as lines of their own."
)
@report_options
@click.option("--json", "as_json", is_flag=True, help="Every cell as JSON on standard output.")
@click.option("--csv", "as_csv", is_flag=True, help="Every cell as CSV on standard output.")
@click.option("--check", is_flag=True, help="Exit with 1 when nothing surely fits.")
@click.option("--accept-borderline", is_flag=True, help="A start that is too close to be sure counts.")
def command(**options: Any) -> None:
    """Which hardware runs MODEL, and which should I rent? What fits with least hardware first, or cheapest first with prices.

    A quantization the checkpoint does not have is sized as vLLM makes it while loading, or else as its quantizer usually
    writes it (marked "if published"). Of several models the fewest GPUs of each kind are shown.

    \b
    vram compare Qwen/Qwen3-32B --max-model-len 16384 --concurrency 8 --kind datacenter
    vram compare Qwen/Qwen3-32B -c 8192 --price H100=2.49 --price L40S=0.86 --price "RTX 4090=0.39" --sort value
    vram compare Qwen/Qwen3-8B Qwen/Qwen3-32B --gpu L40S,H100 --quantizations none,fp8 --kv-cache-dtypes auto,fp8
    """
    from vram.commands import Progress, engine_arguments, policy_of, warn_about_plugins
    from vram_plugins.compare.compare import compare
    from vram_plugins.compare.prices import prices_from

    command = _served(options)
    arguments = _engine_of(options, command) if command else engine_arguments(options)
    quantizations = options["quantizations"] or arguments.pop("quantization", None) or "none"
    kv_dtypes = arguments.pop("kv_cache_dtype", None) or options["kv_cache_dtypes"]
    tp = arguments.pop("tensor_parallel_size", None)
    if tp and options["tensor_parallel_size"]:  # a file's is one answer of those that are looked for
        options["counts"] = str(tp)
    progress = Progress()
    try:
        found = compare(
            [command.model] if command else options["models"],
            gpus=_listed(",".join(options["gpus"])) or None,
            counts=_numbers(options["counts"]),
            quantizations=_listed(quantizations),
            kv_cache_dtypes=_listed(kv_dtypes),
            concurrency=options["concurrency"],
            vllm_version=options["vllm_version"] or (command.vllm_version if command else None),
            policy=policy_of(options),
            prices=prices_from(options["prices"], options["price"]),
            prompt_tokens=options["prompt_tokens"],
            gen_tokens=options["gen_tokens"],
            sort=options["sort"],
            kinds=_listed(",".join(options["kinds"])) or None,
            clouds=_listed(",".join(options["clouds"])) or None,
            min_memory_gib=options["min_memory_gib"],
            max_memory_gib=options["max_memory_gib"],
            in_stock=options["in_stock"],
            used_gib=options["used_gib"],
            **targets_from(options),
            meets=options["meets"],
            trust_remote_code=options["trust_remote_code"],
            revision=options["revision"] or (command.revision if command else None),
            progress=lambda done, total: progress("Comparing", done, total),
            **arguments,
        )
    finally:
        progress.close()
    warn_about_plugins()
    told = write_reports({**options, "as_json": options["as_json"] or options["as_csv"]}, lambda: _document(found))
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
    elif options["as_csv"]:
        from vram_plugins.compare.csv_text import comparison_csv

        click.echo(comparison_csv(found), nl=False)
    elif not told:
        from vram_plugins.compare.table import print_comparison

        print_comparison(
            found,
            every=options["sort"] in {"value", "speed", "first-token"},
            limit=options["limit"],
            unfold=options["unfold"],
            accept_borderline=options["accept_borderline"],
        )
    sure = options["accept_borderline"]
    good = [row for row in found.rows if row.fits and row.meets is not False and (sure or row.certainty == "likely")]
    if options["check"] and not good:
        raise click.exceptions.Exit(1)


def _served(options: dict[str, Any]) -> ServeCommand | None:
    """The command behind `--`, in one quoted argument or in --from-file; None where models are named. Raises InputError."""
    from vram.commands import pasted_command
    from vram.errors import InputError

    words, file = options["models"], options["from_file"]
    if file and words:
        raise InputError(name="from-file", value=file, problem="names the model; give either it or MODEL")
    if not file and not words:
        raise InputError(
            name="model", value=None, problem="give MODEL, several of them, or a file that runs one (--from-file)"
        )
    if not file and len(words) > 1 and words[:2] != ("vllm", "serve"):
        return None
    return pasted_command({**options, "words": words, "gpu": None})


def _engine_of(options: dict[str, Any], command: ServeCommand) -> dict[str, Any]:
    """The engine arguments of a command, and of its environment, under those that were typed."""
    from vram.commands import arguments_from
    from vram.models.deployment import EngineArgs
    from vram.models.record import record_fields

    nothing = dict.fromkeys(("from_file", "model", "gpu", "gpus", "gpu_memory_gib", "profile"))
    asked = arguments_from({**options, **nothing, "words": ()}, command)
    return {name: value for name, value in asked.items() if name in record_fields(EngineArgs)}


def _document(found: Comparison) -> Document:
    from vram.report import comparison_document

    return comparison_document(found)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    """Raises InputError."""
    from vram.errors import InputError

    try:
        return tuple(int(part) for part in _listed(text))
    except ValueError:
        raise InputError(
            name="counts", value=text, problem="must be whole numbers with commas, such as 1,2,4,8"
        ) from None
