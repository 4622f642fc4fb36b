"""A folder that means harm: bounded time, one sentence each, and the server beside it is still found. Read by the built-in readers."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from pathlib import Path

import pytest
from tests.command import COMMAND, vram

MANY = 1 << 20
MEMORY = 512 << 20
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
    "integer.sh": "vllm serve Qwen/Qwen3-8B --max-model-len " + "9" * 100_000,
    "integer.yaml": GOOD.replace('"8192"', "9" * 100_000).replace("good", "bad"),
    "exponent.json": '{"kind": "Pod", "spec": {"containers": [{"image": "vllm/vllm-openai", "args": ["--max-num-seqs", 1e99999]}]}}',
    "name.sh": f"vllm serve a/{'b' * 500_000}\n",
    "sizes.sh": "vllm serve Qwen/Qwen3-8B --tensor-parallel-size 9" + "9" * 30 + " --block-size -1 --gpu-memory-utilization nan\n",
    "json.sh": "vllm serve Qwen/Qwen3-8B --speculative-config '" + "[" * 100_000 + "'\n",
    "power.py": "from vllm import LLM\nLLM('a' * 10**10)\nLLM('x', max_model_len=9**9**9**9)\nLLM(f'{1:>10000000000}')\n",
    "counted.sh": "for i in {1..1000000000}; do vllm serve a/b --port $i; done\nA=$((2**99999999))\nvllm serve a/b --seed $A\n",
    "includes.sh": ". ./includes.sh\nsource includes.sh\nbash includes.sh\nvllm serve $X\n",
    "kustomization.yaml": "resources: [., ../]\nimages: [{name: vllm/vllm-openai}]\nconfigurations: [vllm]\n",
    "compose.yaml": "services:\n"
    + "".join(f"  {one}: {{extends: {{service: {other}}}, image: vllm/vllm-openai}}\n" for one, other in ("ab", "ba")),
    "matrix.yml": "on: push\njobs:\n a:\n  strategy: {matrix: {" + ", ".join(f"k{n}: [1, 2, 3, 4, 5, 6, 7, 8, 9]" for n in range(12))
    + "}}\n  steps:\n  - run: vllm serve a/b --port ${{ matrix.k0 }}\n",
    "Makefile": "\n".join(f"C{n} = $(C{n + 1})$(C{n + 1})" for n in range(60)) + "\nC60 = x\nx:\n\tvllm serve $(C0)\n",
    "blocks.tf": 'resource "x" "y" {' * 20_000 + " vllm serve x",
    "quoted.md": "> " * 100_000 + "```\nvllm serve x\n",
    "comments.md": "<!--" * 100_000 + "vllm serve x\n",
    "names.sh": f"vllm serve --config {'x' * 5000}.yaml\nvllm serve --config a\0b.yaml\nsource {'y/' * 3000}z\nvllm serve a/b\n",
    "blank.sh": "\n" * 5000 + "vllm serve a/b\n",
    "blank.yaml": "#\n\n" * 5000 + " " * 5000 + "kind: Pod\nimage: vllm/vllm-openai\n",
    "blank.md": "```\n" + "\n" * 5000 + "vllm serve a/b\n```\n" + " \t" * 5000,
    "indented.md": "    vllm serve a/b \\\n" * 40_000,
}  # fmt: skip


def limited(*arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process that gets no more memory than this."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120, errors="replace",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip


def _processor_seconds() -> float:
    """What processes that were waited for have taken: the same on a busy machine."""
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken.ru_utime + taken.ru_stime


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_takes_little_time_and_hides_nothing(folder: Path, name: str) -> None:
    (folder / name).write_text(HOSTILE[name][:MANY])
    before = _processor_seconds()
    done = limited("check", folder, "--offline", "--gpu", "H100", "--json")
    spent = _processor_seconds() - before
    assert done.returncode in (0, 1, 2), done.stderr
    assert '"server": "Pod/good"' in done.stdout
    assert "Traceback" not in done.stderr
    assert "Warning: plugin" not in done.stderr
    assert len(done.stderr) < 4000
    for server in json.loads(done.stdout):
        assert len(server["problem"] or "") <= 501, server["problem"]
    assert not (folder / "pwned").exists()
    assert spent < 20, spent


BYTES = {
    "nul.sh": b"#" * 5000 + b"\nvllm serve Qwen/Qwen3-8B --max-model-len \x008192\n",
    "invalid.sh": b"vllm serve \xff\xfe/\xc3 --max-model-len 8192\n",
    "invalid.yaml": GOOD.replace("good", "bad").encode().replace(b"Qwen/Qwen3-8B", b"\xff\xc0"),
    "invalid.json": b'{"apiVersion": "v1", "kind": "Pod", "image": "vllm/vllm-openai", "x": "\xff"',
    "controls.sh": b"vllm serve \x1b[31mQwen/\x07x \r --max-model-len 8192\n",
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_text_are_one_sentence_at_most(folder: Path, name: str) -> None:
    (folder / name).write_bytes(BYTES[name])
    done = limited("check", folder, "--offline", "--gpu", "H100")
    assert "Traceback" not in done.stderr
    assert "Pod/good: Qwen/Qwen3-8B" in done.stdout
    assert done.stdout.count("not understood  ") <= 1
    assert not {"\x1b", "\x07", "\0"} & {*done.stdout}


def test_what_a_tool_wrote_in_utf_16_is_told_and_a_mark_in_front_is_none_of_the_text(folder: Path) -> None:
    (folder / "wide.yaml").write_text(GOOD, encoding="utf-16")
    (folder / "marked.yaml").write_text(GOOD.replace("good", "marked"), encoding="utf-8-sig")
    done = vram("check", folder, "--offline")
    assert done.stderr == "Note: 1 file with NUL bytes was not read (UTF-8 is).\n"
    assert "Pod/marked" in done.stdout


@pytest.mark.parametrize("name", ["pipe", "zero", "huge.yaml", "loop"])
def test_what_is_named_outright_and_no_text_is_one_sentence(folder: Path, name: str) -> None:
    os.mkfifo(folder / "pipe")
    os.symlink("/dev/zero", folder / "zero")
    os.symlink("loop", folder / "loop")
    with (folder / "huge.yaml").open("wb") as file:
        file.truncate(100 << 20)
    start = time.monotonic()
    done = limited("check", folder / name, "--offline")
    assert time.monotonic() - start < 10
    assert done.returncode == 2
    assert len([line for line in (done.stdout + done.stderr).splitlines() if name in line]) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_one_sentence(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0)
    done = vram("check", folder, "--offline", "--gpu", "H100")
    (folder / "closed").chmod(0o700)
    assert done.returncode == 2
    assert done.stdout.count("cannot be read (Permission denied)") == 1


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
