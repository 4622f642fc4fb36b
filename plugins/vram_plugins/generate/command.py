"""`vram generate`: the files that deploy an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands import GroupedCommand, engine_options, hardware_options, model_options, workload_options
from vram_plugins.plan.options import planned_from, planned_options
from vram_plugins.targets.options import targets_from

if TYPE_CHECKING:
    from vram.models.estimate import Estimate
    from vram.models.saved_request import SavedRequest

_EMIT = "command,profile"


@click.command("generate", cls=GroupedCommand)
@model_options
@click.option("-o", "--output", required=True, help="Folder to write into; made where it is missing.")
@click.option(
    "--emit",
    default=_EMIT,
    show_default=True,
    help="What to write: command, profile, compose, k8s, helm, or a plugin's.",
)
@click.option("--recommend", is_flag=True, help="What flags leave open is filled in as `vram plan` recommends.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@click.option("--name", default=None, help="Name in Kubernetes and compose; default: from the model.")
@click.option("--port", type=int, default=8000, show_default=True, help="Port of the server.")
@click.option(
    "--image", default="vllm/vllm-openai", show_default=True, help="Container image; its tag is vLLM's version."
)
@click.option("--replicas", type=int, default=1, show_default=True, help="Servers to run, each with GPUs of its own.")
@click.option("--gpus-per-node", type=int, default=8, show_default=True, help="GPUs of one machine.")
@click.option("--token-secret", default="hf-token", show_default=True, help="Kubernetes secret with HF_TOKEN.")
@click.option(
    "--requires-api-key", is_flag=True, help="Clients must send a key, which the server takes from VLLM_API_KEY."
)
@click.option("--extra-flags", default=None, help="Further flags of vllm serve, as one text.")
@hardware_options
@click.option("--interconnect", default=None, help="For --recommend; kept in the profile.")
@engine_options
@workload_options
@click.option("--prompt-tokens", type=int, default=None, help="For --recommend; kept in the profile.")
@click.option("--gen-tokens", type=int, default=None, help="For --recommend; kept in the profile.")
@click.option(
    "--batching-mode",
    type=click.Choice(["throughput", "latency", "balanced"]),
    default=None,
    help="For --recommend; kept in the profile.",
)
@planned_options
@click.option("--json", "as_json", is_flag=True, help="The paths written, as JSON on standard output.")
@click.option("--check", is_flag=True, help="Write nothing and exit with 1 when it does not start or fit, or may not.")
@click.option("--accept-borderline", is_flag=True, help="With --check: a start that is too close to be sure counts.")
def command(**options: Any) -> None:
    """Write the files that run MODEL: a shell command, a profile to read back, compose, Kubernetes, a Helm chart.

    \b
    vram generate Qwen/Qwen3-8B --gpu H100 -c 32768 --concurrency 16 -o deploy --emit command,compose,k8s
    vram generate Qwen/Qwen3-32B --gpu L40S --concurrency 16 --recommend -o deploy
    vram generate Qwen/Qwen3-8B --gpu L40S --ttft-ms 2000 --requests-per-second 2 --recommend -o deploy
    vram generate -p deploy/profile.yaml -o deploy --force
    vram generate -o deploy --gpu L40S -- vllm serve Qwen/Qwen3-8B --tool-call-parser hermes
    """
    import vram
    from vram.commands import arguments_from, opened, pasted_command, warn_about_plugins
    from vram.deploy import artifact_request, render_files, write_files
    from vram.plugin import plugins
    from vram_plugins.generate.request import saved_request

    refuse_targets_alone(options)
    kinds = tuple(kind.strip() for kind in options["emit"].split(",") if kind.strip())
    pasted = pasted_command(options)
    arguments = arguments_from(options, pasted)
    asked, secrets = saved_request(options, arguments, pasted, kinds)
    arguments = opened(arguments)
    asked, answer = (
        _recommended(options, arguments, asked) if options["recommend"] else (asked, vram.estimate(**arguments))
    )
    warn_about_plugins()
    request = artifact_request(answer, asked)
    unsure = answer.verdict.certainty == "borderline"
    if unsure or not (answer.verdict.starts and answer.verdict.fits):
        click.echo(f"Warning: {' '.join(request.notes)}", err=True)
        for change in answer.verdict.changes:
            click.echo(f"  starts and fits with {change.words}", err=True)
        if options["check"] and not (unsure and answer.verdict.fits and options["accept_borderline"]):
            raise click.exceptions.Exit(1)
    if secrets:
        click.echo(f"Left out, because secrets are not written into files: {', '.join(secrets)}", err=True)
    unwritten = pasted.environment.keys() - (arguments.get("environment") or {}).keys() if pasted else set()
    if pasted and unwritten:
        named = ", ".join(name for name in pasted.environment if name in unwritten)
        click.echo(f"Left out, only variables that decide memory are written into files: {named}", err=True)
    paths = write_files(options["output"], render_files(plugins(), kinds, request), force=options["force"])
    if options["as_json"]:
        from json import dumps

        click.echo(dumps([str(path) for path in paths], indent=1))
        return
    for path in paths:
        click.echo(path)


def refuse_targets_alone(options: dict[str, Any]) -> None:
    """Raises InputError where targets are given and nothing is planned for them."""
    from vram.errors import InputError

    given = [name for name, value in targets_from(options).items() if value is not None and name != "percentile"]
    if given and not options["recommend"]:
        raise InputError(name=given[0], value=options[given[0]], problem="is a target of a plan; add --recommend")


def _recommended(
    options: dict[str, Any], arguments: dict[str, Any], asked: SavedRequest
) -> tuple[SavedRequest, Estimate]:
    """A plan's recommendation and its estimate. Raises VramError, InputError where nothing fits."""
    import vram
    from vram.errors import InputError
    from vram_plugins.generate.request import as_recommended

    planned = planned_from(options)
    found = vram.plan(
        **arguments,
        **planned,
        interconnect=options["interconnect"],
        prompt_tokens=options["prompt_tokens"],
        gen_tokens=options["gen_tokens"],
        batching_mode=options["batching_mode"] or "balanced",
    )
    if found.recommendation is None:
        raise InputError(name="recommend", value=None, problem=f"nothing to write: {found.obstacle.rstrip('.')}")
    if found.targets is not None and options["replicas"] != 1:
        raise InputError(name="replicas", value=options["replicas"], problem="is what the targets decide; leave it out")
    return as_recommended(asked, found.recommendation, found.model), found.recommendation.estimate
