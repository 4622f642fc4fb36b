"""One truth: whoever asks about a deployment, by whatever command, is told the same numbers.

`VRAM_TRUTH_CASES=50000 pytest tests/plugins/test_one_truth.py` draws that many deployments of the catalog's models and of
the configs in ../shared, on any GPU and release; every tenth is planned, too.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import vram
from vram.ask.asking import ask
from vram.checkpoint.catalog import find, list_catalog
from vram.checkpoint.open import open_checkpoint
from vram.cli import cli
from vram.errors import VramError
from vram.estimate.verdict.cell import judge_cell
from vram.gpus.find import all_gpus
from vram.models.checkpoint import Checkpoint
from vram.models.estimate import Estimate
from vram.models.plan import Option, Plan
from vram.plugin.manager import plugins
from vram.serving import parse_text

CASES = int(os.environ.get("VRAM_TRUTH_CASES", "2000"))
PIECES = 8  # so that several processes share them
PLANNED = 10  # of so many deployments one is planned
TYPED = 100  # and of so many one is asked on the command line
CONFIGS = Path(__file__).parents[3] / "shared" / "model_configs"
MODELS: tuple[str | Path, ...] = (
    *sorted(entry.id for entry in list_catalog()),
    *(sorted(CONFIGS.iterdir()) if CONFIGS.is_dir() else ()),
)
GPUS = sorted({gpu.name for gpu in all_gpus(plugins().profiles)})
VERSIONS = (
    None, None, None, None, "0.6.6", "0.7.3", "0.8.5", "0.9.2", "0.10.2", "0.11.2", "0.12.0", "0.13.0", "0.14.1", "0.15.1",
    "0.17.1", "0.19.1", "0.20.2", "0.23.0", "0.25.1", "0.28.0", "0.30.0", "0.32.0",
)  # fmt: skip
LAYOUTS = ((1, 1),) * 5 + ((2, 1), (4, 1), (8, 1), (1, 2), (1, 4), (2, 2), (4, 2), (8, 2))
#: what a question may state besides, and how often it does
STATED: tuple[tuple[str, float, tuple[Any, ...]], ...] = (
    ("max_model_len", 0.6, (512, 2048, 4096, 8192, 16384, 32768, 65536, 131072)),
    ("kv_cache_dtype", 0.25, ("fp8", "fp8_e5m2", "auto")),
    ("concurrency", 0.4, (2, 8, 64)),
    ("enforce_eager", 0.2, (True,)),
    ("gpu_memory_utilization", 0.2, (0.6, 0.8, 0.97)),
    ("max_num_seqs", 0.2, (4, 32, 512)),
    ("max_num_batched_tokens", 0.1, (4096, 16384)),
    ("quantization", 0.1, ("fp8", "bitsandbytes")),
    ("dtype", 0.1, ("half",)),
    ("kv_cache_memory_bytes", 0.03, (1 << 30,)),
    ("num_gpu_blocks_override", 0.03, (1000,)),
    ("limit_mm_per_prompt", 0.1, ({"image": 4}, {"image": 1, "video": 0})),
    ("enable_expert_parallel", 0.1, (True,)),
    ("environment", 0.05, ({"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"},)),
)


class Asked(NamedTuple):
    """A deployment, as every command is asked for it, and what `vram estimate` says."""

    model: Checkpoint
    gpu: str
    arguments: dict[str, Any]
    estimate: Estimate

    def fits(self, **changed: Any) -> bool:
        """As `vram.estimate` would say, which is what a comparison is held to, without its advice."""
        try:
            return judge_cell(ask(self.model, gpu=self.gpu, **{**self.arguments, **changed})).fits
        except VramError:
            return False

    @property
    def told(self) -> tuple[object, ...]:
        return (self.model.id, self.gpu, self.arguments)


@pytest.fixture(scope="module", params=range(PIECES))
def deployments(request: pytest.FixtureRequest) -> list[Asked]:
    """One piece's deployments, without those that vLLM cannot be asked for."""
    return list(_drawn(request.param))


def _drawn(piece: int) -> Iterator[Asked]:
    draw = random.Random(piece)
    for _ in range(-(-CASES // PIECES)):
        model = draw.choice(MODELS)
        gpu, layout = draw.choice(GPUS), draw.choice(LAYOUTS)
        arguments = {name: draw.choice(values) for name, often, values in STATED if draw.random() < often}
        arguments |= {"vllm_version": draw.choice(VERSIONS)}
        arguments |= {"tensor_parallel_size": layout[0], "pipeline_parallel_size": layout[1]}
        try:
            checkpoint = open_checkpoint(str(model)) if isinstance(model, Path) else find(model)
            assert checkpoint is not None
            yield Asked(checkpoint, gpu, arguments, vram.estimate(checkpoint, gpu=gpu, **arguments))
        except VramError:
            continue


def test_a_stated_limit_starts_and_one_beyond_it_does_not(deployments: list[Asked]) -> None:
    for asked in deployments:
        limits, facts = asked.estimate.limits, asked.estimate.deployment
        longest, users = limits.max_context_at_concurrency, limits.max_concurrency_at_context
        block = max(1, asked.estimate.kv_cache.block_size)
        if longest:
            assert asked.fits(max_model_len=longest), (longest, asked.told)
        if not asked.estimate.kv_cache.groups:
            continue
        if users:
            assert asked.fits(concurrency=users), (users, asked.told)
        assert not asked.fits(concurrency=users + 1), (users, asked.told)
        own = asked.estimate.model.max_model_len  # beyond it only what is forced
        assert longest <= max(own, facts.max_model_len), asked.told
        if longest and longest + block <= own:
            assert not asked.fits(max_model_len=longest + block), (longest, facts.max_model_len, asked.told)


def test_no_limit_is_stated_where_the_start_is_refused_for_another_cause(deployments: list[Asked]) -> None:
    of_length = {"max_model_len", "cache_blocks", "kv_cache_length", "graph_capture", "mamba_blocks"}
    for asked in deployments:
        verdict, limits = asked.estimate.verdict, asked.estimate.limits
        failed = {check.name for check in verdict.checks if not check.passed}
        assert verdict.starts or limits.max_concurrency_at_context == 0, asked.told
        if failed - of_length - {"weights"}:
            assert limits.max_context_at_concurrency == 0, (failed, asked.told)


def test_a_comparison_has_the_estimates_numbers(deployments: list[Asked]) -> None:
    for asked in deployments:
        facts, arguments = asked.estimate.deployment, dict(asked.arguments)
        sizes = (arguments.pop("tensor_parallel_size"), arguments.pop("pipeline_parallel_size"))
        method = (arguments.pop("quantization", None),)
        dtypes = (arguments.pop("kv_cache_dtype", "auto"),)
        found = vram.compare(
            asked.model, gpus=asked.gpu, counts=(sizes[0] * sizes[1],), quantizations=method, kv_cache_dtypes=dtypes, **arguments
        )  # fmt: skip
        (row,) = found.rows
        if (row.tensor_parallel_size, row.pipeline_parallel_size) != sizes:
            continue  # it divides layers as far as heads allow
        plan, verdict = asked.estimate.kv_cache, asked.estimate.verdict
        assert row.weights_bytes == asked.estimate.memory.weights.expected, asked.told
        assert row.headroom_bytes == asked.estimate.memory.headroom.expected, asked.told
        assert (row.tokens, row.max_concurrency) == (plan.tokens, plan.max_concurrency), asked.told
        assert (row.starts, row.fits) == (verdict.starts, verdict.fits), asked.told
        assert row.certainty == verdict.certainty, asked.told
        assert row.most_requests == asked.estimate.limits.max_concurrency_at_context, asked.told
        assert (row.max_model_len, row.concurrency) == (facts.max_model_len, facts.concurrency), asked.told


def again(option: Option) -> Estimate:
    """What the estimate says of a command that a plan prints."""
    told = parse_text(option.command)
    replicas = int(told.engine_args.get("data_parallel_size", 1))
    arguments = {**told.engine_args, "concurrency": -(-option.concurrency // replicas)}
    return vram.estimate(str(told.model), gpu=option.gpu, vllm_version=option.vllm_version, **arguments)


@pytest.fixture(scope="module")
def plans(deployments: list[Asked]) -> list[tuple[Asked, Plan]]:
    """Some of the deployments with plans on so many GPUs."""
    return list(_planned(deployments[::PLANNED]))


def _planned(deployments: list[Asked]) -> Iterator[tuple[Asked, Plan]]:
    for asked in deployments:
        sizes = ("tensor_parallel_size", "pipeline_parallel_size")
        given = {name: value for name, value in asked.arguments.items() if name not in sizes}
        with suppress(VramError):
            count = asked.arguments[sizes[0]] * asked.arguments[sizes[1]]
            yield asked._replace(arguments=given), vram.plan(asked.model, gpu=asked.gpu, gpus=count, **given)


def test_a_plan_recommends_and_offers_what_the_estimate_says_starts_and_fits(plans: list[tuple[Asked, Plan]]) -> None:
    for asked, plan in plans:
        found = plan.recommendation
        if found is not None:
            own = found.model == plan.model or asked.model.source == "local"
            users, version = found.estimate.deployment.concurrency, found.estimate.deployment.vllm_version
            arguments: dict[str, Any] = {**asked.arguments, **found.engine_args}
            arguments |= {"concurrency": users, "vllm_version": version}
            estimate = vram.estimate(asked.model if own else found.model, gpu=found.gpu, **arguments)
            assert estimate == found.estimate, (found.command, asked.told)
            assert estimate.verdict.fits, (found.command, asked.told)
            assert estimate.verdict.certainty == "likely", (found.command, asked.told)
            assert found.limits.max_context == estimate.limits.max_context_at_concurrency
            assert found.limits.max_concurrency == estimate.limits.max_concurrency_at_context * found.replicas
        else:
            verdict = asked.estimate.verdict
            assert not (verdict.fits and verdict.certainty == "likely"), (plan.obstacle, asked.told)
        if asked.model.source == "local":
            continue
        for option in plan.options:
            verdict = again(option).verdict
            assert verdict.fits, (option.command, asked.told)
            assert verdict.certainty == "likely", (option.command, asked.told)


def test_the_reason_of_a_refusal_is_true_when_its_command_is_asked(plans: list[tuple[Asked, Plan]]) -> None:
    for asked, plan in plans:
        for option in plan.refused if asked.model.source != "local" else ():
            estimate = again(option)
            surely = estimate.verdict.fits and estimate.verdict.certainty == "likely"
            assert not surely, (option, asked.told)
            if not estimate.verdict.starts and "the model takes at most" not in option.title:
                reasons = [check.message.rstrip(".") for check in estimate.verdict.checks if not check.passed]
                assert option.title in reasons, (option, reasons, asked.told)


def options_of(asked: Asked) -> list[str]:
    """The deployment as it is typed."""
    words = [asked.model.id, "--gpu", asked.gpu]
    for name, value in asked.arguments.items():
        if value is not None:
            words += ["--" + name.replace("_", "-"), *([] if value is True else [typed(name, value)])]
    return words


def typed(name: str, value: object) -> str:
    """One value as an option takes it."""
    if isinstance(value, dict):
        variables = (f"{key}={text}" for key, text in value.items())
        return next(variables) if name == "environment" else json.dumps(value)
    return str(value)


def test_the_commands_say_what_the_library_says(deployments: list[Asked], tmp_path: Path) -> None:
    run = CliRunner().invoke
    for asked in deployments[::TYPED]:
        if asked.model.source == "local":
            continue
        words, verdict, limits = options_of(asked), asked.estimate.verdict, asked.estimate.limits
        for name, limit in (
            ("max-context", limits.max_context_at_concurrency),
            ("max-concurrency", limits.max_concurrency_at_context),
        ):
            done = run(cli, [name, *words, "--json"])
            assert done.exit_code == 0, (done.output, asked.told)
            assert (
                json.loads(done.stdout)[f"{name.replace('-', '_')}_at_{'concurrency' if 'text' in name else 'context'}"]
                == limit
            )
        sure = verdict.fits and verdict.certainty == "likely"
        for flags, good in (([], sure), (["--accept-borderline"], verdict.fits)):
            for name in ("estimate", "generate"):
                extra = ["--output", str(tmp_path), "--force", "--emit", "profile"] if name == "generate" else []
                done = run(cli, [name, *words, "--check", *flags, *extra])
                assert (done.exit_code == 0) == good, (name, flags, done.output, asked.told)
