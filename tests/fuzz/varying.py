"""One input made of others: bytes changed, parts of two joined, a part repeated, a word of the languages that are read put in."""

from __future__ import annotations

import random
from collections.abc import Sequence

_WORDS = (
    b"${", b"${A:-b}", b"$(", b"$((", b"`", b"{{", b"}}", b"{{- if ", b"{{ range ", b"'", b'"', b'"""', b"<<EOF\n", b"EOF\n",
    b"\\\n", b"\r\n", b"\n\n", b": ", b"- ", b"&a ", b"*a", b"<<: *a", b"|\n", b">-\n", b"---\n", b"#", b" && ", b" | ",
    b"; ", b"\t", b"  ", b"(", b")", b"[", b"]", b"{", b"}", b"vllm serve ", b"vllm/vllm-openai:v0.11.0", b"--model ",
    b"--tensor-parallel-size ", b"--max-model-len ", b"Qwen/Qwen3-8B", b"nvidia.com/gpu", b"LLM(", b"def f(", b"*args",
    b"**", b"lambda: ", b"for i in range(9):\n", b"if [ ", b"fi\n", b"done\n", b"case x in\n", b"exec ", b"eval ", b"args:",
    b"command:", b"image:", b"env:", b"replicas:", b"kind: ", b"apiVersion: v1\n", b"CMD ", b"ENTRYPOINT ", b"FROM ",
    b"RUN ", b"ARG ", b"```\n", b"\xff\xfe", b"\xe2\x80\xa8", b"\xf0\x9f\x92\xa5", b"\x00", b"\x1b[31m", b"-1", b"0",
    b"1e400", b"nan", b"9" * 30, b"null", b"true", b"GiB", b"..", b"/", b"INFO 09-12 10:01:01 [x.py:1] ", b"> ", b"%", b"~",
    b"!", b"=", b"A=1 ", b"$A", b"resource \"a\" \"b\" {\n", b"${var.x}", b"for_each = ", b"yes",
)  # fmt: skip
_LONGEST = 8192


def varied(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """At most 8 KiB; one input in twelve is plain random bytes."""
    data = bytearray(source.choice(seeds))
    if not data or source.random() < 1 / 12:
        return source.randbytes(source.randint(1, 60))
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(data) + 1)
        match source.randrange(8):
            case 0:
                other = source.choice(seeds)
                data[at:] = other[source.randrange(len(other) + 1) :]
            case 1:
                size = source.randint(1, 40)
                data[at:at] = data[at : at + size] * source.choice((1, 1, 2, 9))
            case 2:
                del data[at : at + source.choice((1, 2, 8, 64))]
            case 3 | 4:
                data[at:at] = source.choice(_WORDS)
            case 5:
                data[at : at + source.choice((1, 4, 12))] = source.choice(_WORDS)
            case _:
                data[at : at + source.choice((0, 1, 1, 1, 4))] = source.randbytes(source.choice((0, 1, 1, 2)))
    return bytes(data[:_LONGEST])
