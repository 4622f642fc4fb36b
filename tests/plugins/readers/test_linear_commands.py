"""Four times the text takes about four times as long, whatever stands in it: time by ratio, best of three, never by the clock."""

from __future__ import annotations

import time

import pytest

from vram.errors import CheckpointError
from vram.serving.reading import servers_of

SMALL, LARGE = 1 << 14, 1 << 16  # bytes
PATTERNS = {
    "prose in a page": ("page.md", "The model's answer isn't long; don't run vllm serve here.\n\n"),
    "fences that never close": ("page.md", "```bash\nvllm bench serve\n"),
    "code by indentation": ("page.md", "\n    vllm bench serve\n\n    and so on\n"),
    "commands in a list": ("page.md", "- docker run -d postgres\n"),
    "prose in a script": ("run.sh", "The model's answer isn't long; don't run vllm bench here.\n"),
    "substitutions that never close": ("run.sh", "X=$(one $(vllm bench $(two "),
    "braces that never close": ("run.sh", "echo ${A:-'x\"}${B vllm\n"),
    "alternatives": ("run.sh", 'vllm bench ${A[@]+"${A[@]}"} ${B:+--x "$B"}\n'),
    "choices": ("run.sh", "case $1 in a) M=1;; b) M=2;; esac; vllm bench $M\n"),
    "functions that call": ("run.sh", "f() { g $(h $1); vllm bench $1; }\nf a\n"),
    "conditions": ("run.sh", '[[ "$A" == *b*c*d* && $B =~ ^(a|b)+$ ]] && vllm bench\n'),
    "here-documents": ("run.sh", "cat > a.sh <<EOF\nvllm bench\nEOF\n"),
    "recipes": ("Makefile", "one:\n\tvllm bench \\\n\t--foo\n"),
    "settings of units": ("one.service", "[Service]\nExecStart=/bin/vllm bench\n"),
    "instructions": ("Dockerfile", "FROM one\nENV A=$B\nRUN vllm bench\n"),
    "calls": ("run.py", "import vllm\ndef f(a=1):\n    return g(model=a)\nf(2)\n"),
    "blocks": ("main.tf", 'resource "a" "b" {\n  user_data = <<-EOT\n  vllm bench\n  EOT\n}\n'),
}


def seconds(name: str, text: str) -> float:
    start = time.process_time()
    try:
        servers_of(name, text)
    except CheckpointError:
        pass
    return time.process_time() - start


@pytest.mark.parametrize("pattern", PATTERNS)
def test_four_times_the_text_takes_about_four_times_as_long(pattern: str) -> None:
    name, unit = PATTERNS[pattern]
    texts = [(unit * (size // len(unit) + 1))[:size] for size in (SMALL, LARGE)]
    small, large = (min(seconds(name, text) for _ in range(3)) for text in texts)
    assert large < 10 * small + 0.05


def test_one_apostrophe_in_prose_hides_no_command() -> None:
    script = "echo it's here\nvllm serve Qwen/Qwen3-8B\n# don't\n"
    page = "It's one.\n\n```\ndon't mind\nvllm serve Qwen/Qwen3-8B\n```\n"
    for name, text in (("run.sh", script), ("page.md", page)):
        assert [server.found.words for server in servers_of(name, text)] == [("Qwen/Qwen3-8B",)]
