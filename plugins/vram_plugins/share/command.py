"""`vram share`: several models on the same GPUs."""

from __future__ import annotations

from typing import Any

import click

_MODELS = 'Models, each with its own options in quotes: "Qwen/Qwen3-8B -c 16384 --concurrency 8".'


@click.command("share")
@click.argument("models", metavar='"MODEL [OPTIONS]"...', nargs=-1, required=True)
@click.option(
    "--gpu",
    "gpus",
    multiple=True,
    required=True,
    help='A GPU, several with commas, or a number of a kind: 2xH100, "RTX 4090".',
)
@click.option(
    "--used-gib",
    "used_gib",
    default=None,
    help="What other processes hold of each GPU already: one figure, or one for each with commas.",
)
@click.option(
    "--concurrency", type=int, default=1, show_default=True, help="Requests at once, of models that do not say."
)
@click.option("--max-model-len", "-c", default=None, help="Context in tokens, of models that do not say.")
@click.option(
    "--vllm-version", default=None, help="vLLM version, of models that do not say; default: the newest known."
)
@click.option(
    "--headroom-gib", type=float, default=None, help="Memory that must stay free of each model's share.  [default: 1]"
)
@click.option("--profile", default=None, help="Overhead profile by name.")
@click.option("--fill", is_flag=True, help="Give the models what is left of the GPUs, for larger KV caches.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--check", is_flag=True, help="Exit with 1 when they do not all find room.")
def command(models: tuple[str, ...], **options: Any) -> None:
    """Put several models onto the same GPUs: which where, --gpu-memory-utilization of each, and the order of starting.

    Each MODEL is what stands behind `vllm serve`, in quotes with its options; --concurrency and --vllm-version may stand there, too.
    Each gets the least of its GPUs with which it surely starts and does its work beside what those before it hold, as its release
    of vLLM looks at free memory. Start each when the one before answers.

    \b
    vram share "Qwen/Qwen3-8B -c 16384 --concurrency 8" "Qwen/Qwen3-Embedding-0.6B" --gpu L40S
    vram share "Qwen/Qwen3-32B --tp 2 -c 8192" Qwen/Qwen3-8B Qwen/Qwen3-4B --gpu 2xH100 -c 8192 --used-gib 3.5
    """
    from vram.commands import warn_about_plugins
    from vram.serving import parse_count
    from vram_plugins.share.share import share

    length = options["max_model_len"]
    defaults: dict[str, Any] = {
        "concurrency": options["concurrency"],
        "max_model_len": None if length is None else parse_count("max_model_len", length),
        "vllm_version": options["vllm_version"],
    }
    if options["headroom_gib"] is not None:
        from vram.models.deployment import Policy

        defaults["policy"] = Policy(headroom_gib=options["headroom_gib"])
    found = share(
        models,
        gpus=options["gpus"],
        used_gib=_figures(options["used_gib"]),
        fill=options["fill"],
        profile=options["profile"],
        **defaults,
    )
    warn_about_plugins()
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
    else:
        from vram_plugins.share.table import print_sharing

        print_sharing(found)
    if options["check"] and not found.feasible:
        raise click.exceptions.Exit(1)


def _figures(text: str | None) -> list[float] | None:
    """GiB with commas. Raises InputError."""
    from vram.errors import InputError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(name="used_gib", value=text, problem="must be GiB, or as many with commas as GPUs") from None
