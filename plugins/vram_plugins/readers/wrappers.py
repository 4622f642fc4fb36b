"""Programs that start vLLM's engine with its flags among their own: NVIDIA Dynamo's worker, and the TGIS adapter of KServe's images."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vram.serving.flags import find_flag

_WRAPPERS = {"dynamo.vllm", "vllm_tgis_adapter"}
#: flags that begin like one of vLLM's, or have its name, and say something to the wrapper alone (Dynamo's vllm/args.py)
_DYNAMO_ONLY = re.compile(
    r"--(?:no-)?(?:dyn-.*|is-(?:prefill|decode)-worker|connector|endpoint|endpoint-types|namespace|migration-limit|use-vllm-tokenizer"
    r"|multimodal-.*|enable-multimodal|mm-prompt-template|route-to-encoder|frontend-decoding|request-plane|event-plane|store-kv"
    r"|discovery-backend|disaggregation-mode|durable-kv-events|use-kv-events|enable-local-indexer|output-modalities|sleep-mode-level"
    r"|custom-jinja-template|dump-config-to|model-express-url|kv-block-size|enable-rl)"
)


def engine_words(program: str, words: Sequence[str]) -> tuple[str, ...]:
    """The words that vLLM's engine gets of those a program of it is given."""
    if program not in _WRAPPERS:
        return tuple(words)
    kept: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        flag = word.split("=")[0].replace("_", "-")
        if not word.startswith("--") or not (_DYNAMO_ONLY.fullmatch(flag) or find_flag(word) is None):
            kept.append(word)
            continue
        while "=" not in word and index < len(words) and not words[index].startswith("-"):
            index += 1
    return tuple(kept)
