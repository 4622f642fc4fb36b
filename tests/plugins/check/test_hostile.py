"""A folder that means harm: bounded time, one sentence each, and the server beside it is still found. Read by the built-in readers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.command import vram

MANY = 1 << 20
GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: good}
spec:
  nodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.20.2
    args: [--model, Qwen/Qwen3-8B, --max-model-len, "8192"]
"""
HEAD = "apiVersion: v1\nkind: Pod\nimage: vllm/vllm-openai\nservices:\n"
LAUGHS = "a0: &a0 [vllm serve x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
HOSTILE = {
    "bomb.yaml": HEAD + LAUGHS,
    "merge-bomb.yaml": HEAD + "b0: &b0 {image: vllm/vllm-openai}\n"
    + "".join(f"b{n}: &b{n} {{<<: [*b{n - 1}, *b{n - 1}], x: *b{n - 1}}}\n" for n in range(1, 25)),
    "itself.yaml": HEAD + "  a: &a {image: vllm/vllm-openai, command: vllm serve x, more: [*a]}\n",
    "deep.yaml": HEAD + "x: " + "[" * 5000 + "vllm serve" + "]" * 5000 + "\n",
    "deep.json": '{"apiVersion": "v1", "kind": "Pod", "image": "vllm/vllm-openai", "x": ' + "[" * 90_000 + "]" * 90_000 + "}",
    "tags.yaml": HEAD + 'x: !!python/object/apply:os.system ["touch pwned"]\n',
    "keys.yaml": HEAD + "? [vllm, serve]\n: x\n? {a: b}\n: y\n",
    "long-line.sh": "vllm serve x " + "--max-model-len 8192 " * (MANY // 22),
    "quotes.sh": "vllm serve '" * (MANY // 13),
    "ticks.md": "```\nvllm serve x\n" * (MANY // 18),
    "braces.sh": "vllm serve " + "${A:-" * 100_000,
    "substitutions.sh": "vllm serve " + "$(" * 100_000,
    "dollars.sh": "A=$A$A$A$A\n" * 1000 + "vllm serve $A\n",
    "doubling.sh": "A=xxxxxxxxxx\n" + "A=$A$A\n" * 60 + "vllm serve $A --gpu-memory-utilization 0.5\n",
    "continued.sh": "vllm serve x \\\n" * (MANY // 16),
    "calls-itself.sh": "f() { f; vllm serve x; f; }\nf\n",
    "heredocs.sh": "cat <<A\n" * 50_000 + "vllm serve x\n",
    "nested.py": "LLM(" * 20_000,
    "many.py": "from vllm import LLM\n" + "LLM(model='x')\n" * 20_000,
    "Dockerfile": "FROM vllm/vllm-openai\n" + "ENV A=$A$A\n" * 2000 + 'CMD ["--model", "$A"]\n',
    "notebook.ipynb": '{"cells": [' + '{"cell_type": "code", "source": ["vllm serve x"]},' * 10_000 + "{}]}",
    "values.yaml": "image: {repository: vllm/vllm-openai}\nmodels:\n" + "- {name: x, model: a/b}\n" * 20_000,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_takes_little_time_and_hides_nothing(folder: Path, name: str) -> None:
    (folder / name).write_text(HOSTILE[name][:MANY])
    start = time.monotonic()
    done = vram("check", folder, "--offline", "--gpu", "H100", "--json")
    spent = time.monotonic() - start
    assert done.returncode in (0, 1, 2), done.stderr
    assert '"server": "Pod/good"' in done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 4000
    assert not (folder / "pwned").exists()
    assert spent < 20, spent


def test_what_is_no_text_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    os.symlink(".", folder / "loop")
    os.symlink("/dev/zero", folder / "zero.yaml")
    os.symlink("/etc", folder / "etc")
    with (folder / "huge.yaml").open("wb") as file:
        file.truncate(100 << 20)
    (folder / "two\nlines.yaml").write_text(GOOD.replace("good", "other"))
    (folder / os.fsdecode(b"\xff.yaml")).write_text("x: 1\n")
    done = vram("check", folder, "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "Note: 1 file larger than 1 MiB was not read.\n"
    assert "two lines.yaml" in done.stdout
    assert "2 servers in 2 of 3 files: 2 start and fit." in done.stdout
