"""`vram compare`: models × GPUs × counts × quantization × KV dtype, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands import GroupedCommand, engine_options, report_options, workload_options, write_reports

if TYPE_CHECKING:
    from vram.models.comparison import Comparison
    from vram.report import Document


@click.command("compare", cls=GroupedCommand)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--gpu", "gpus", multiple=True, help='A GPU, or several with commas: H100,"RTX 4090". Default: all known.'
)
@click.option("--counts", "--gpus", default="1,2,4,8", show_default=True, help="Numbers of GPUs to try.")
@click.option("--quantizations", default=None, help="Of the weights: none,fp8,awq ... none is the checkpoint as it is.")
@click.option("--kv-cache-dtypes", "--kv-dtypes", default="auto", show_default=True, help="auto,fp8 ...")
@click.option("--prices", default=None, help="Price per GPU and hour: a TOML, JSON, YAML or CSV file.")
@engine_options
@workload_options
@click.option("--vllm-version", default=None, help="vLLM version to predict; default: the newest known.")
@click.option("--revision", default=None, help="Branch, tag or commit on the Hub.")
@click.option("--trust-remote-code", is_flag=True, help="Allow code from the model's repository to run.")
@click.option("--limit", type=int, default=20, show_default=True, help="Most lines of the table; 0 for all.")
@report_options
@click.option("--json", "as_json", is_flag=True, help="Every cell as JSON on standard output.")
@click.option("--csv", "as_csv", is_flag=True, help="Every cell as CSV on standard output.")
@click.option("--check", is_flag=True, help="Exit with 1 when nothing fits.")
def command(**options: Any) -> None:
    """Which hardware runs MODEL? What fits with least hardware first, or cheapest first with --prices.

    A quantization the checkpoint does not have is sized as vLLM makes it while loading, or else as its quantizer usually
    writes it (marked "if published"). Of several models the fewest GPUs of each kind are shown.

    \b
    vram compare Qwen/Qwen3-32B --max-model-len 16384 --concurrency 8
    vram compare Qwen/Qwen3-8B Qwen/Qwen3-32B --gpu L40S,H100 --quantizations none,fp8 --kv-cache-dtypes auto,fp8
    """
    from vram.commands import Progress, engine_arguments, policy_of, warn_about_plugins
    from vram_plugins.compare.compare import compare

    arguments = engine_arguments(options)
    quantizations = options["quantizations"] or arguments.pop("quantization", None) or "none"
    kv_dtypes = arguments.pop("kv_cache_dtype", None) or options["kv_cache_dtypes"]
    if tp := arguments.pop("tensor_parallel_size", None):
        options["counts"] = str(tp)
    progress = Progress()
    try:
        found = compare(
            options["models"],
            gpus=_listed(",".join(options["gpus"])) or None,
            counts=_numbers(options["counts"]),
            quantizations=_listed(quantizations),
            kv_cache_dtypes=_listed(kv_dtypes),
            concurrency=options["concurrency"],
            vllm_version=options["vllm_version"],
            policy=policy_of(options),
            prices=options["prices"],
            trust_remote_code=options["trust_remote_code"],
            revision=options["revision"],
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

        print_comparison(found, limit=options["limit"])
    if options["check"] and not any(row.fits for row in found.rows):
        raise click.exceptions.Exit(1)


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
