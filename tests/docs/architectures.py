"""The reference page of architectures: what a version of vLLM registers, and how well each is known here.

Made from the recorded table and answers of `tests/conformance`, so that no vLLM is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.conformance import registry

from vram.checkpoint.catalog import list_catalog
from vram.plugin.manager import plugins
from vram_plugins.architectures import DRAFTS

VERSION = "0.33.0"
#: kinds in the order of the page, with what vLLM's registry means by them
_KINDS = {
    "text_generation": "Text generation",
    "multimodal": "Multimodal generation",
    "embedding": "Embedding",
    "late_interaction": "Late interaction",
    "reward": "Reward",
    "sequence_classification": "Sequence classification",
    "token_classification": "Token classification",
    "transformers_supported": "Through the transformers backend",
    "transformers_backend": "The transformers backend's own names",
    "speculative_decoding": "Drafts",
}
_HEAD = """\
Every architecture that vLLM {version} registers: {counts}.

*exact*: vLLM's own answers about it are recorded ([conformance](../explanation/conformance.md)) and `vram` gives the same bytes of
parameters, defaults, blocks and tokens, for each. *assumed*: answered, but no recorded answer says that it is exact. *refused*: no
answer is given, with the reason. *draft*: no model to serve; it is given with `--speculative-config`, beside its target.
What is no model of vLLM's own, but known here because an earlier version had it, is not listed.
"""


def page(written: str) -> str:
    """The page; `written` says by whom."""
    rows = {name: (kind, *status(name, kind)) for name, kind in registry.architectures(VERSION).items()}
    counted = Counter(word for _, word, _ in rows.values())
    counts = ", ".join(f"{counted[word]} {word}" for word in ("exact", "assumed", "refused", "draft") if counted[word])
    parts = ["# Architectures\n", written, _HEAD.format(version=VERSION, counts=counts)]
    for kind, title in _KINDS.items():
        lines = [(name, word, why) for name, (its, word, why) in rows.items() if its == kind]
        if lines:
            parts += [f"## {title}\n", "| architecture | | |\n| --- | --- | --- |"]
            parts += [f"| `{name}` | {word} | {why} |" for name, word, why in sorted(lines, key=lambda r: r[0].lower())]
            parts.append("")
    return "\n".join(parts)


def status(name: str, kind: str) -> tuple[str, str]:
    """One of exact, assumed, refused, draft, and the reason."""
    if name in DRAFTS.split():
        return "draft", ""
    answers = [answer for answer in registry.built() if answer["id"] == name]
    recorded = len(answers) + _catalog_answers()[name]
    if name in registry.not_equal_yet():
        differences = [found for found in map(registry.differs, answers) if found]
        refusals = [found for found in differences if found.startswith("refused: ")]
        if refusals:
            return "refused", _first_sentence(refusals[0].removeprefix("refused: "))
        return "assumed", f"{len(differences)} of {recorded} answers differ: {registry.not_equal_yet()[name]}"
    if recorded:
        return "exact", f"{recorded} answer{'s' * (recorded > 1)}"
    if name not in plugins().adapters:
        return "refused", "not known to any plugin, where its config has more than a plain decoder's fields"
    return "assumed", "its adapter follows vLLM's source; no answer of vLLM is recorded"


def _catalog_answers() -> Counter[str]:
    """Recorded answers by architecture of the catalog's models."""
    architectures = {model.id: model.architecture for model in list_catalog()}
    recorded = registry.read(Path(registry.HERE, "answers.jsonl"))
    return Counter(architectures[answer["id"]] for answer in recorded)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[a-z0-9\"')])\. ", text, maxsplit=1)[0].replace("|", "\\|")
