"""Programs that evaluate a model on vLLM within themselves: lm_eval and lighteval; others that say they take vLLM are named.

What they give the engine: lm_eval/models/vllm_causallms.py and lighteval's models/vllm/vllm_model.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from vram.models.record import frozen
from vram.serving.flags import find_flag
from vram_plugins.readers.launch import is_client, shown_program
from vram_plugins.readers.shell_values import shown
from vram_plugins.readers.shell_words import END

#: arguments by which the harnesses call vLLM's own, and what they give it where nothing is said
_NAMES = {"max_length": "max_model_len", "max_model_length": "max_model_len"}
_GIVEN: dict[str, dict[str, str]] = {
    "lm_eval": {"gpu_memory_utilization": "0.9"},
    "lighteval": {
        "gpu_memory_utilization": "0.9",
        "dtype": "bfloat16",
        "max_num_seqs": "128",
        "max_num_batched_tokens": "2048",
    },
}
_LONGEST = 4000
_MODELS = ("pretrained", "model_name", "model")
#: what says that a program starts vLLM, among its words
_TAKES = {("--backend", "vllm"), ("--infer_backend", "vllm"), ("--infer-backend", "vllm"), ("--model", "vllm")}
_TOLD = re.compile(r"--(?:infer[_-])?backend=vllm|infer_backend=vllm|\S*rollout\.name=vllm|--use[_-]vllm(?:=[Tt]rue)?")
_REMOTE = re.compile(r"--(?:base[_-]?url|api[_-]base|url|host|endpoint|server\S*)(?:=.*)?")
_SERVES = re.compile(r"serve|vllm\.entrypoints.*|.*api_server(?:\.py)?")
_ASKS = re.compile(r"bench|perf|client|guidellm|vllm\Z|helm|docker|curl|echo|pip")


@frozen(kw_only=True)
class Evaluated:
    """The words of the server that a harness would be, and what was assumed of them."""

    words: tuple[str, ...]
    assumed: tuple[str, ...]


def evaluation(argv: Sequence[str]) -> Evaluated | None:
    """The engine of an evaluation on vLLM; None for every other command. Words may hold marks."""
    program = _harness(argv)
    if program is None:
        return None
    if program == "lighteval":
        at = next((i for i, word in enumerate(argv) if word == "vllm"), None)
        given = argv[at + 1 : at + 2] if at is not None else ()
    else:
        given = _behind(argv, ("--model_args", "--model-args", "-a"))
        if "vllm" not in _behind(argv, ("--model", "-M")):
            return None
    if not given or given[0].startswith("-") or given[0].endswith((".yaml", ".yml")):
        return None
    arguments, assumed = dict(_arguments(given)), [f"what {program} gives vLLM where nothing is said"]
    if program == "lighteval" and arguments.pop("data_parallel_size", "1") != "1":
        assumed.append("one of lighteval's copies, each on GPUs of its own")
    words = tuple(_words(arguments, _GIVEN[program]))
    return Evaluated(words=("vllm", "serve", *words), assumed=tuple(assumed))


def other_evaluation(argv: Sequence[str]) -> str | None:
    """The program that is told to start vLLM itself, by its name: what it gives the engine is its own affair."""
    words = [shown(word) for word in argv]
    name = words[0].rsplit("/", 1)[-1] if words else ""
    if name == "trl" and words[1:2] == ["vllm-serve"]:
        return "trl"
    if not name or name.startswith("-") or any(_SERVES.fullmatch(word) for word in words):
        return None
    if name == "lighteval" and words[1:2] == ["vllm"]:
        return name
    takes = any(pair in _TAKES for pair in pairwise(words)) or any(_TOLD.fullmatch(word) for word in words)
    if not takes or is_client(words) or any(_REMOTE.fullmatch(word) for word in words):
        return None
    runs = re.fullmatch(r"(?:python|torchrun|accelerate|deepspeed)[\d.]*", name)
    module = words[words.index("-m") + 1 :][:1] if runs and "-m" in words[:4] else ()
    script = module[0] if module else next((w for w in words[1:] if w.endswith(".py")), name) if runs else name
    return None if _ASKS.search(script.rsplit("/", 1)[-1]) else shown_program(script)


def _harness(argv: Sequence[str]) -> str | None:
    """lm_eval or lighteval, however it is started (`accelerate launch -m lm_eval`)."""
    for index, word in enumerate(argv[:12]):
        name = word.rsplit("/", 1)[-1].replace("-", "_")
        if name in _GIVEN and (index == 0 or argv[index - 1] in {"-m", "launch"} or name != "lm_eval"):
            return name
        if word.startswith("--model"):
            break
    return None


def _behind(argv: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The words behind a flag, up to the next one."""
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            rest = argv[index + 1 :]
            end = next((i for i, one in enumerate(rest) if one.startswith("--")), len(rest))
            return (value,) if equals else tuple(rest[:end])
    return ()


def _arguments(given: Sequence[str]) -> Mapping[str, Any]:
    """`a=b,c=d`, words of that kind, or JSON; a text that nothing tells stands for the model."""
    if given[0].lstrip().startswith("{") and END not in given[0]:
        try:
            held = json.loads(given[0])
        except ValueError:
            return {}
        return held if isinstance(held, dict) else {}
    found: dict[str, str] = {}
    if sum(map(len, given)) > _LONGEST:
        return {}
    for part in re.split(r",(?![^{\[]*[}\]])", ",".join(given)):
        name, equals, value = part.partition("=")
        if equals and re.fullmatch(r"\w+", name.strip()):
            found[name.strip()] = value.strip()
        elif END in part:
            found.setdefault("", part)
    return found


def _words(arguments: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[str]:
    model = next((arguments[name] for name in _MODELS if name in arguments), arguments.get(""))
    if model is not None:
        yield str(model)
    held = {_NAMES.get(name, name): value for name, value in arguments.items() if name not in _MODELS and name}
    if "lora_local_path" in held:
        held.setdefault("enable_lora", "True")
    for name, value in {**given, **held}.items():
        flag = find_flag("--" + name.replace("_", "-"))
        if flag is None or value in {"None", "null"} or value is None:
            continue
        spelling = "--" + name.replace("_", "-")
        if flag.takes != "switch":
            yield from (spelling, json.dumps(value) if isinstance(value, dict | list) else str(value))
        elif str(value).lower() in {"true", "1"}:
            yield spelling
        elif flag.negatable:
            yield "--no-" + spelling[2:]


__all__ = ["Evaluated", "evaluation", "other_evaluation"]
