"""Every way to hand over a file or a command goes through the same readers, and says what was understood before it answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vram.cli import cli
from vram.errors import VramError
from vram_plugins.web.pasted import told_of

SEVERAL = """\
services:
  chat:
    image: vllm/vllm-openai:v0.20.2
    command: --model Qwen/Qwen3-8B --max-model-len 8192 --api-key of-the-file-alone
  coder:
    image: vllm/vllm-openai:v0.20.2
    command: --model Qwen/Qwen3-4B --max-model-len 4096
"""
TPU = """\
apiVersion: v1
kind: Pod
metadata: {name: gemma}
spec:
  nodeSelector: {cloud.google.com/gke-tpu-accelerator: tpu-v6e-slice}
  containers:
  - name: vllm
    image: vllm/vllm-tpu:latest
    args: [vllm, serve, google/gemma-3-27b-it, --tensor-parallel-size=8]
    resources: {limits: {google.com/tpu: 8}}
"""
LOCAL = "vllm serve /models/x --max-model-len 8192\n"
COMMANDS = ("estimate", "plan", "compare", "generate", "max-context", "max-concurrency")
MORE = {"compare": ("--counts", "1"), "generate": ("--emit", "command", "-o", "made", "--force")}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"compose.yaml": SEVERAL, "tpu.yaml": TPU, "serve.sh": LOCAL}.items():
        Path(name).write_text(text)


def run(command: str, *words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, [command, "--gpu", "H100", *MORE.get(command, ()), *words], input=text)


def refusal(command: str, *words: str) -> str:
    """What is said of it before anything is answered."""
    refused = run(command, *words)
    assert isinstance(refused.exception, VramError), refused.output
    assert refused.stdout == ""
    return str(refused.exception)


@pytest.mark.parametrize("command", COMMANDS)
def test_of_several_servers_one_is_named_and_told_first(command: str) -> None:
    refused = refusal(command, "--from-file", "compose.yaml")
    assert "compose chat in line 2, compose coder in line 5; name one of them, or its line, with --server" in refused
    for server in ("coder", "5"):
        done = run(command, "--from-file", "compose.yaml", "--server", server)
        assert done.exit_code == 0, done.stderr
        assert done.stderr.startswith("read as: vllm serve Qwen/Qwen3-4B --max-model-len 4096")
        assert "vLLM 0.20.2, from compose coder in line 5\n" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_tpu_is_not_answered_as_a_gpu(command: str) -> None:
    refused = refusal(command, "--from-file", "tpu.yaml")
    assert "Pod/gemma in line 7 runs on Google TPUs, which are not modelled." in refused


@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_of_the_container_is_nothing_until_it_is_mapped(command: str) -> None:
    refused = refusal(command, "--from-file", "serve.sh")
    assert "'/models/x'" in refused
    assert "--model-for" in refused
    done = run(command, "--from-file", "serve.sh", "--model-for", "/models/x=Qwen/Qwen3-8B")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("read as: vllm serve Qwen/Qwen3-8B --max-model-len 8192")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_pasted_as_one_word_as_words_or_through_a_pipe(command: str) -> None:
    line = "docker run --gpus all vllm/vllm-openai:v0.20.2 --model Qwen/Qwen3-8B --max-model-len 8192 --api-key of-the-file-alone"
    as_words = ("--", "vllm", "serve", "Qwen/Qwen3-8B", "--max-model-len", "8192", "--api-key", "of-the-file-alone")
    for words, text in (((line,), None), (("--from-file", "-"), line), (as_words, None)):
        done = run(command, *words, text=text)
        assert done.exit_code == 0, done.stderr
        assert done.stderr.startswith("read as: vllm serve Qwen/Qwen3-8B --max-model-len 8192")
        assert "of-the-file-alone" not in done.output


def test_a_comparison_takes_the_flags_of_a_file_but_looks_for_other_sizes() -> None:
    Path("two.sh").write_text("vllm serve Qwen/Qwen3-8B --max-model-len 8192 --tensor-parallel-size 2\n")
    assert "1 × H100" in CliRunner().invoke(cli, ["compare", "--from-file", "two.sh", "--gpu", "H100"]).stdout
    assert (
        "2 × H100" in CliRunner().invoke(cli, ["compare", "--from-file", "two.sh", "--gpu", "H100", "--tp", "2"]).stdout
    )


@pytest.mark.parametrize("words", [(), ("Qwen/Qwen3-8B", "--from-file", "serve.sh")], ids=("nothing", "both"))
def test_a_comparison_has_one_source_of_models(words: tuple[str, ...]) -> None:
    assert "from-file" in refusal("compare", *words)


def test_the_page_reads_what_the_commands_read() -> None:
    told = told_of({"text": SEVERAL, "name": "compose.yaml", "server": "coder"})
    assert (told["set"]["model"], told["set"]["max_model_len"]) == ("Qwen/Qwen3-4B", "4096")
    assert told["read_as"].endswith("vLLM 0.20.2, from compose coder in line 5")
    assert "of-the-file-alone" not in str(told_of({"text": SEVERAL, "name": "compose.yaml", "server": "chat"}))
    assert told_of({"text": LOCAL, "name": "serve.sh"})["set"]["model"] == "/models/x"
    for text, name, words in ((SEVERAL, "compose.yaml", "compose coder in line 5"), (TPU, "tpu.yaml", "Google TPUs")):
        with pytest.raises(VramError, match=words):
            told_of({"text": text, "name": name})
