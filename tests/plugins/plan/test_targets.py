"""Plans for targets of speed: what is planned keeps them when asked again, one size smaller does not, and the words say why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.targets import cases, outcome
from tests.command import refusal_of
from tests.command import vram as run

import vram
from vram.errors import InputError, UnknownNameError
from vram.models.plan import Plan, Recommendation
from vram.models.targets import Service
from vram.report import document_html, document_markdown
from vram_plugins.plan.report import planned_document

COUNT = int(os.environ.get("VRAM_TARGET_CASES", "10"))
JOB = {"prompt_tokens": 4000, "gen_tokens": 500}
ASKED = ("plan", "Qwen/Qwen3-8B", "--gpu", "H100", "--prompt-tokens", 4000, "--gen-tokens", 500)


def planned(model: str = "Qwen/Qwen3-8B", **asked: Any) -> tuple[Plan, Recommendation, Service]:
    plan = vram.plan(model, **{"gpu": "H100", **JOB, **asked})
    assert plan.recommendation is not None, plan.obstacle
    assert plan.recommendation.service is not None
    return plan, plan.recommendation, plan.recommendation.service


def test_what_is_planned_keeps_random_targets_and_less_does_not() -> None:
    wrong = {number: found.wrong for number, asked in enumerate(cases(COUNT)) if (found := outcome(asked)).wrong}
    assert wrong == {}


def test_littles_law_and_the_servers_are_told_with_their_numbers() -> None:
    plan, found, service = planned(ttft_ms=1500, tpot_ms=40, requests_per_second=15)

    assert service.users is not None
    assert f"15 requests per second × {service.users / 15:,.3g} s" in service.words
    assert found.gpus == service.servers * found.estimate.deployment.tensor_parallel_size * (
        found.estimate.deployment.pipeline_parallel_size
    )
    assert service.servers > 1
    assert any(f"Run the command {service.servers} times" in warning for warning in plan.warnings)
    assert service.most_requests_per_s >= 15
    assert plan.refused[0].gpus == found.gpus // service.servers * (service.servers - 1)
    assert "requests per second" in plan.refused[0].title


def test_nearly_all_requests_need_more_than_half_of_them_do() -> None:
    _, half, _ = planned(ttft_ms=1500, requests_per_second=3)
    _, nearly_all, _ = planned(ttft_ms=1500, requests_per_second=3, percentile=95)
    assert nearly_all.gpus >= half.gpus


def test_users_at_once_are_shared_out() -> None:
    _, _, service = planned(tpot_ms=20, concurrency=200)
    assert service.users_per_replica * service.replicas >= 200
    assert service.users is None
    assert service.words.startswith("At once: ")


def test_a_goal_takes_all_the_gpus_for_time_or_for_what_is_carried() -> None:
    _, cheap, least = planned(requests_per_second=0.5, ttft_ms=5000, gpus=8)
    _, _, quick = planned(requests_per_second=0.5, ttft_ms=5000, gpus=8, goal="latency")
    _, _, most = planned(requests_per_second=0.5, ttft_ms=5000, gpus=8, goal="throughput")

    def seconds(service: Service) -> float:
        return service.ttft_ms + service.tpot_ms * JOB["gen_tokens"]

    assert seconds(quick) <= min(seconds(least), seconds(most))
    assert most.most_requests_per_s >= max(least.most_requests_per_s, quick.most_requests_per_s)
    assert cheap.gpus < 8


def test_no_more_gpus_are_taken_than_there_are() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="H100", gpus=2, ttft_ms=1000, requests_per_second=50, **JOB)
    assert plan.recommendation is None
    assert "of 50 requests per second" in plan.obstacle


def test_what_no_number_of_servers_keeps_is_told_of_one_request_alone() -> None:
    plan = vram.plan("Qwen/Qwen3-32B", gpu="L4", ttft_ms=50, **JOB)
    assert plan.recommendation is None
    assert "one request alone may wait" in plan.obstacle
    assert plan.obstacle.endswith("ms for its first token, not 50")


def test_the_cheapest_by_price_is_taken_and_named_ones_are_all_there_are() -> None:
    prices = {"H100": 2.0, "A100 80GB": 9.0}
    plan, found, service = planned(gpu=None, ttft_ms=3000, requests_per_second=1, prices=prices)
    dear = vram.plan("Qwen/Qwen3-8B", gpu="A100 80GB", ttft_ms=3000, requests_per_second=1, prices=prices, **JOB)

    assert found.gpu == "H100 80GB SXM"
    assert service.price_per_hour == pytest.approx(2.0 * found.gpus)
    assert dear.recommendation is not None
    assert dear.recommendation.service is not None
    assert dear.recommendation.service.price_per_hour == pytest.approx(9.0 * dear.recommendation.gpus)
    assert any("A100" in option.title for option in plan.options)


def test_a_machine_that_is_rented_whole_holds_several_servers() -> None:
    _, found, service = planned(ttft_ms=1500, tpot_ms=40, requests_per_second=20, prices={"p5.48xlarge": 4.0})
    per_machine = 8 // (found.gpus // service.servers)
    assert service.price_per_hour == -(-service.servers // per_machine) * 8 * 4.0


def test_lengths_of_a_file_are_held_together_and_the_longest_alone(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("prompt_tokens,gen_tokens\n" + "500,100\n" * 95 + "20000,400\n" * 5)
    asked = {"prompt_tokens": None, "gen_tokens": None, "lengths": file, "requests_per_second": 4}
    plan, found, service = planned(ttft_ms=6000, **asked)

    assert plan.lengths is not None
    assert (plan.lengths.prompt_tokens, plan.lengths.longest) == (1475, 20400)
    assert found.engine_args["max_model_len"] == 20400
    estimate = found.estimate
    assert estimate.verdict.fits
    assert estimate.verdict.certainty == "likely"
    reason = next(setting.reason for setting in found.settings if setting.name == "max_model_len")
    assert reason == "the longest request of trace.csv"
    assert service.most_users >= estimate.deployment.concurrency


def test_without_lengths_they_are_assumed_aloud() -> None:
    plan = vram.plan("Qwen/Qwen3-8B", gpu="H100", ttft_ms=1000)
    assert any("1,024 tokens of prompt and 256 of answer are assumed" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"ttft_ms": 0}, "must be a number above 0"),
        ({"ttft_ms": float("nan")}, "must be a number above 0"),
        ({"requests_per_second": 1e9}, "must be from 0.001 to 100,000"),
        ({"tpot_ms": 10, "percentile": 90}, "must be 50 or 95"),
        ({"tpot_ms": 10, "goal": "fast"}, "must be latency, throughput or cost"),
        ({"tpot_ms": 10, "lengths": [(1, 1)]}, "leave those out"),
        ({"model": "BAAI/bge-m3", "tpot_ms": 10, "gen_tokens": None}, "generates no tokens"),
    ],
)
def test_what_is_no_target_is_refused_in_a_sentence(asked: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        vram.plan(**{"model": "Qwen/Qwen3-8B", "gpu": "H100", **JOB, **asked})
    with pytest.raises(UnknownNameError):
        vram.plan("Qwen/Qwen3-8B", tpot_ms=10, prices={"no such card": 1.0}, **JOB)


def test_the_command_prints_what_is_kept_the_curve_and_what_is_too_small() -> None:
    done = run(*ASKED, "--ttft-ms", 1500, "--tpot-ms", 40, "--requests-per-second", 30, COLUMNS="100")

    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "Surely kept",
        "Little's law: 30 requests per second",
        "Limited by ",
        "Too small",
        "tokens/s of one user",
    ):
        assert words in done.stdout
    assert any(line.endswith(" @") for line in done.stdout.splitlines())


def test_json_has_the_targets_the_service_and_the_curve() -> None:
    done = run(
        *ASKED, "--ttft-ms", 1500, "--requests-per-second", 30, "--percentile", 95, "--price", "H100=2.5USD", "--json"
    )
    found = json.loads(done.stdout)

    assert found["targets"] == {
        "ttft_ms": 1500.0, "tpot_ms": None, "requests_per_second": 30.0, "percentile": 95, "goal": "cost",
    }  # fmt: skip
    service = found["recommendation"]["service"]
    assert service["price_per_hour"] == 2.5 * found["recommendation"]["gpus"]
    assert service["currency"] == "USD"
    assert sum(point["chosen"] for point in service["curve"]["points"]) == 1
    assert found["refused"][0]["title"] in found["recommendation"]["hardware_reason"]


def test_the_check_fails_where_nothing_keeps_them() -> None:
    done = run(*ASKED, "--ttft-ms", 1, "--check", COLUMNS="200")
    assert done.returncode == 1
    assert "No deployment keeps the targets: on " in done.stdout
    assert refusal_of(*ASKED, "--ttft-ms", "-1").startswith("Error: ttft_ms: must be a number above 0")


def test_the_report_has_the_curve_and_its_figures() -> None:
    plan, _, service = planned(ttft_ms=1500, tpot_ms=40, requests_per_second=5)
    made = planned_document(plan)

    assert 'class="speed-curve"' in document_html(made)
    assert f"| {service.users_per_replica} (planned) |" in document_markdown(made)


def test_replicas_go_into_the_files(tmp_path: Path) -> None:
    asked = (*ASKED[1:], "--ttft-ms", 1500, "--requests-per-second", 15, "--recommend")
    done = run(
        "generate", *asked, "--gpus-per-node", 64, "--emit", "command,compose,k8s,helm,profile", "-o", tmp_path / "a"
    )
    _, found, service = planned(ttft_ms=1500, requests_per_second=15)

    assert (done.returncode, done.stderr) == (0, "")
    files = {
        str(path.relative_to(tmp_path / "a")): path.read_text()
        for path in (tmp_path / "a").rglob("*")
        if path.is_file()
    }
    assert f"replicas: {service.servers}\n" in files["k8s/deployment.yaml"]
    assert "ReadWriteMany" in files["k8s/pvc.yaml"]
    assert f"\nreplicas: {service.servers}\n" in files["helm/vllm-qwen3-8b/values.yaml"]
    assert f"  replicas: {service.servers}\n" in files["profile.yaml"]
    assert f"Run it {service.servers} times" in files["serve.sh"]
    compose = files["compose.yaml"]
    assert [f"vllm-{n}:\n" in compose for n in range(1, service.servers + 2)] == [True] * service.servers + [False]
    devices = [line.strip(' -"') for line in compose.splitlines() if line.strip(' -"').isdecimal() and '"' in line]
    assert {str(gpu) for gpu in range(found.gpus)} <= set(devices)
    again = run("generate", "-p", tmp_path / "a" / "profile.yaml", "-o", tmp_path / "b")
    assert again.returncode == 0
    assert all((tmp_path / "b" / name).read_text() == text for name, text in files.items())


def test_targets_of_files_need_a_plan_and_one_machine_has_so_many_gpus(tmp_path: Path) -> None:
    asked = ("generate", *ASKED[1:], "-o", tmp_path)
    assert "add --recommend" in refusal_of(*asked, "--ttft-ms", 1500)
    assert "more than one machine has (8)" in refusal_of(*asked, "--replicas", 9, "--emit", "compose")
    assert "is what the targets decide" in refusal_of(
        *asked, "--replicas", 2, "--ttft-ms", 1500, "--requests-per-second", 1, "--recommend"
    )


def test_a_profile_may_hold_targets(tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(
        "profile_version: 1\nmodel: {id: Qwen/Qwen3-8B}\nhardware: {gpu: H100}\n"
        "workload: {prompt_tokens: 4000, gen_tokens: 500, ttft_ms: 1500, requests_per_second: 2, percentile: 95}\n"
    )
    found = json.loads(run("plan", "-p", profile, "--json").stdout)["targets"]

    assert (found["ttft_ms"], found["requests_per_second"], found["percentile"]) == (1500, 2, 95)
    assert "add --recommend" in refusal_of("generate", "-p", profile, "-o", tmp_path / "a")
    written = run("generate", "-p", profile, "--recommend", "-o", tmp_path / "a")
    assert written.returncode == 0
    assert "ttft_ms" not in (tmp_path / "a" / "profile.yaml").read_text()
