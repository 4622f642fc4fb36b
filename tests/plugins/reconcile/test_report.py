"""Whole reports as people paste them: the command, the environment, nvidia-smi and the log. The texts are ours, in the shape of theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import vram
from vram_plugins.reconcile.pasted_command import server_in

ENVIRONMENT = """\
### Your current environment

<details>
<summary>The output of <code>python collect_env.py</code></summary>

```text
GPU models and configuration :
GPU 0: NVIDIA L40S
GPU 1: NVIDIA L40S
Nvidia driver version        : 570.86.15
vLLM Version                 : 0.11.0
```

</details>
"""
COMMAND = """\
### Describe the bug

It doesn't start. What I run:

```
docker run --gpus all --ipc=host vllm/vllm-openai:v0.11.0 \\
   --model {model} --max-model-len 65536 --gpu-memory-utilization 0.5
```
"""
#: 65,536 tokens of Llama 3.1 8B are 65,536 × 32 layers × 8 heads × 2 × 128 × 2 bytes: 8 GiB
REFUSED = """\
```
(EngineCore_DP0 pid=272) INFO 11-20 09:13:50 [gpu_model_runner.py:2653] Model loading took 14.9889 GiB and 41.2 seconds
(EngineCore_DP0 pid=272) INFO 11-20 09:14:30 [gpu_worker.py:298] Available KV cache memory: 4.98 GiB
(EngineCore_DP0 pid=272) ERROR 11-20 09:14:31 [core.py:708] ValueError: To serve at least one request with the models's max seq
> len (65536), (8.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.98 GiB). Based on the
> available memory, the estimated maximum model length is 40768.
```
"""


LONG = {"max_position_embeddings": 131072}


@pytest.fixture
def report(model_folder: Callable[..., Path]) -> str:
    return ENVIRONMENT + COMMAND.format(model=model_folder(**LONG)) + REFUSED.replace("\n> ", "\n")


def test_a_report_needs_nothing_beside(report: str, write_log: Callable[[str], Path]) -> None:
    """Model and arguments from the command, GPU and version from the environment, the rest from the log."""
    result = vram.reconcile(write_log(report))
    assert result.problem is None
    assert (result.stage, result.gpu, result.vllm_version) == ("kv_cache", "L40S", "0.11.0")
    assert result.told.command is not None
    assert result.told.command.engine_args == {"max_model_len": 65536, "gpu_memory_utilization": 0.5}
    assert {"weights", "kv_cache_available"} <= {one.name for one in result.components}


def test_every_change_starts_when_it_is_made(
    report: str, write_log: Callable[[str], Path], model_folder: Callable[..., Path]
) -> None:
    """Asked of the library as a person would, from the report alone."""
    result = vram.reconcile(write_log(report))
    assert result.changes
    asked = {"gpu": "L40S", "vllm_version": "0.11.0", "max_model_len": 65536, "gpu_memory_utilization": 0.5}
    for change in result.changes:
        assert vram.estimate(model_folder(**LONG), **{**asked, **change.arguments}).verdict.fits, change.words


def test_changes_are_for_the_machine_as_the_log_shows_it(
    report: str, write_log: Callable[[str], Path], model_folder: Callable[..., Path]
) -> None:
    """Where the log has 2 GiB less for the cache than the first one, the share of the GPU that does is larger by these, or more:
    what is missing is taken off the GPU, so that a larger share misses more of it.
    """
    shares = []
    for available in (4.98, 2.98):
        found = vram.reconcile(write_log(report.replace("4.98 GiB", f"{available} GiB")))
        alone = [
            one.arguments["gpu_memory_utilization"]
            for one in found.changes
            if set(one.arguments) == {"gpu_memory_utilization"}
        ]
        shares.append(alone[0])
        assert any("less for the cache" in note for note in found.notes)
    total = vram.estimate(model_folder(**LONG), gpu="L40S").deployment.gpu_memory_bytes
    assert 2 * 2**30 / total - 0.01 < shares[1] - shares[0] < 4 * 2**30 / total


def test_the_answer_has_all_of_it_as_plain_data(report: str, write_log: Callable[[str], Path]) -> None:
    answer = json.loads(json.dumps(vram.reconcile(write_log(report)).to_dict()))
    assert answer["stage"] == {"name": "kv_cache", "words": "the KV cache was sized and allocated"}
    assert set(answer["changes"][0]) == {"arguments", "words", "gives_up", "limits"}
    assert answer["report"]["command"]["kind"] == "shell"
    assert answer["report"]["gpus"] == [{"name": "NVIDIA L40S", "total_bytes": None, "used_bytes": None}] * 2


def test_a_secret_in_the_command_is_nowhere(report: str, write_log: Callable[[str], Path]) -> None:
    secret = report.replace("docker run", "docker run -e HF_TOKEN=hf_s3cret").replace(
        "--model", "--api-key sk-s3cret --model"
    )
    result = vram.reconcile(write_log(secret))
    assert "s3cret" not in json.dumps(result.to_dict())
    assert "s3cret" not in str(result.told)


def test_a_command_alone_is_answered(write_log: Callable[[str], Path], model_folder: Callable[..., Path]) -> None:
    """Nothing says how it ended, so what is foreseen is told, with what to change."""
    text = f"Will this do on my card?\n\nvllm serve {model_folder()} --max-model-len 131072\n"
    result = vram.reconcile(write_log(text), gpu="RTX 4090")
    assert result.stage is None
    assert any("foreseen" in note for note in result.notes)
    assert result.changes


TABLE = """\
|   0  {name}  On  | 00000000:01:00.0  On |                  N/A |
| 30%   41C    P8    21W / 350W |    812MiB / {mib}MiB |      2%      Default |

vllm serve {model} --max-model-len 4096
"""


@pytest.mark.parametrize(
    ("name", "mib", "gpu"),
    [
        ("NVIDIA L40S        ", 46068, "L40S"),
        ("NVIDIA A100-SXM... ", 81920, "A100 80GB SXM"),
        ("NVIDIA GeForce ... ", 24576, None),  # RTX 3090, 3090 Ti, 4090
    ],
)
def test_a_cut_name_is_told_by_its_memory(
    write_log: Callable[[str], Path], model_folder: Callable[..., Path], name: str, mib: int, gpu: str | None
) -> None:
    result = vram.reconcile(write_log(TABLE.format(name=name, mib=mib, model=model_folder())))
    assert result.gpu == gpu
    if gpu is None:
        assert any("RTX 3090" in note and "RTX 4090" in note for note in result.notes)


def test_memory_that_is_taken_is_said_whoever_names_the_gpu(
    write_log: Callable[[str], Path], model_folder: Callable[..., Path]
) -> None:
    """9,412 MiB are 9.19 GiB."""
    table = TABLE.format(name="NVIDIA L40S        ", mib=46068, model=model_folder()).replace(
        "    812MiB", "   9412MiB"
    )
    for text in (table, f"GPU 0: NVIDIA L40S\n{table}"):
        result = vram.reconcile(write_log(text))
        assert any("9.19 GiB of 44.99 GiB" in note for note in result.notes)


def test_a_prompt_that_is_not_split_is_shortened(
    write_log: Callable[[str], Path], model_folder: Callable[..., Path]
) -> None:
    """The old engine profiles the whole length; half of it is a change there, fewer tokens of a batch are none."""
    text = (
        f"vllm serve {model_folder()} --max-model-len 8192\nLoading model weights took 14.99 GB\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB.\n"
    )
    result = vram.reconcile(write_log(text), gpu="A100 40GB", vllm_version="0.7.3")
    assert result.stage == "profiling"
    assert {"max_model_len": 4096} in [dict(change.arguments) for change in result.changes]


def test_other_processes_leave_a_share(write_log: Callable[[str], Path], model_folder: Callable[..., Path]) -> None:
    """20 of 79.25 GiB are free: 0.25 of it is asked for, and what Llama 3.1 8B then takes besides is searched."""
    text = (
        f"vllm serve {model_folder()} --max-model-len 8192\n"
        "ValueError: Free memory on device cuda:0 (20.00/79.25 GiB) on startup is less than desired GPU memory utilization "
        "(0.9, 71.33 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.\n"
    )
    result = vram.reconcile(write_log(text), gpu="H100", vllm_version="0.11.0")
    assert result.stage == "device"
    assert result.changes
    assert all(change.arguments["gpu_memory_utilization"] == 0.25 for change in result.changes)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("Command: `vllm serve org/m --max-model-len 8192 -tp 2` on two cards", {"max_model_len": 8192, "tensor_parallel_size": 2}),
        ("$ vllm serve org/m \\\n    --max-model-len 8192\nIt says OOM. Isn't that odd?", {"max_model_len": 8192}),
        ("I start it with python3 -m vllm.entrypoints.openai.api_server --model org/m --max-num-seqs 8", {"max_num_seqs": 8}),
        (
            "services:\n  vllm:\n    image: vllm/vllm-openai:v0.10.2\n    command: --model org/m --max-model-len 8192\n\nand then?",
            {"max_model_len": 8192},
        ),
        (
            'my code\n\n    llm = LLM(model="org/m", max_model_len=8192,\n              enforce_eager=True)\n\nfails with vLLM',
            {"max_model_len": 8192, "enforce_eager": True},
        ),
        ("- VLLM_USE_V1=0 vllm serve org/m --enforce-eager", {"enforce_eager": True}),
    ],
)  # fmt: skip
def test_commands_are_found_wherever_they_stand(text: str, flags: dict[str, object]) -> None:
    found = server_in(text)
    assert found is not None
    assert found.command is not None
    assert (found.command.model, found.command.engine_args) == ("org/m", flags)


def test_a_command_of_another_model_than_the_logs_is_not_its_own() -> None:
    text = "vllm serve org/first -tp 2\n\nvllm serve org/second -tp 4\n"
    found = server_in(text, model="org/first")
    assert found is not None
    assert found.command is not None
    assert found.command.engine_args == {"tensor_parallel_size": 2}
    assert server_in(text, model="org/third") is None


def test_prose_about_vllm_is_no_command() -> None:
    assert server_in("I use vllm serve with Qwen, it's great. docker run fails with vllm, don't know why.") is None


def test_a_flag_of_another_release_is_told(write_log: Callable[[str], Path]) -> None:
    """`--swap-space` left with 0.18 (vLLM's own parsers)."""
    found = vram.reconcile(write_log("vllm serve: error: unrecognized arguments: --swap-space 4\n")).findings[0]
    assert "--swap-space" in found.message
    assert found.fix == "--kv-offloading-size in its place: --swap-space is gone since vLLM 0.18.0"


def test_a_flag_that_the_release_lacks_does_not_hide_the_rest(
    write_log: Callable[[str], Path], model_folder: Callable[..., Path]
) -> None:
    text = f"vllm serve {model_folder()} --swap-space 4 --max-model-len 4096\nModel loading took 14.9889 GiB and 3 seconds\n"
    result = vram.reconcile(write_log(text), gpu="L40S", vllm_version="0.33.0")
    assert [one.name for one in result.components] == ["weights"]
    assert any("stops vLLM" in note and "--swap-space" in note for note in result.notes)


def test_a_command_is_read_as_the_release_of_the_log_reads_it(
    write_log: Callable[[str], Path], model_folder: Callable[..., Path]
) -> None:
    """0.11 takes `--swap-space`, and nothing is wrong with it."""
    text = f"vLLM Version : 0.11.0\n\nvllm serve {model_folder()} --swap-space 2 --max-model-len 4096\n"
    result = vram.reconcile(write_log(text), gpu="L40S")
    assert result.told.command is not None
    assert result.told.command.engine_args == {"swap_space": 2.0, "max_model_len": 4096}
    assert not any("stops vLLM" in note for note in result.notes)
