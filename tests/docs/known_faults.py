"""The reference page of vLLM's known faults, from `vram/vllm/faults.toml` and what its variables decide."""

from __future__ import annotations

from tests.docs.tables import table

from vram.vllm.environment import READ
from vram.vllm.faults import LATER, Fault, faults
from vram.vllm.versions import Version, format_version

_HEAD = """\
What goes wrong in releases of vLLM, or otherwise than one would think, where it moves memory or the start. What has a size is a rule
of this program, in force for the releases that have it; what has none is below, and an answer about a deployment that meets it says so
in one line of its warnings (`verdict.warnings`): the releases, the effect, and how the numbers then stand to vLLM's.
`tests/core/vllm/test_known_faults.py` has 79 of both kinds, row by row. One more is
[a table of `faults.toml`](../contributing.md#where-would-i-add).
"""
_VARIABLES = """\
Read from the words before a pasted command (`VLLM_USE_V1=0 vllm serve …`, `docker run -e …`), from `--env NAME=VALUE`, and from the
library's `environment={"NAME": "VALUE"}`; files that deploy an answer set them. A value that vLLM cannot read is refused. Others are
passed over without a word unless they are in the second table.
"""
_DECIDES = {
    "estimates_graphs": "whether the pool is charged an estimate of the CUDA graphs (by default since 0.20)",
    "v1_engine": "which engine serves; 1 is refused where the new one lacks what is asked for",
    "v2_runner": "which model runner serves",
    "any_length": "lengths beyond the model's are not refused",
    "attention_backend": "backends that only the old engine has; else a warning",
    "chunk_tokens": "tokens that experts see at once, and so their workspace",
    "flashinfer_sampler": "who samples, and so what sampling takes in the profile run",
    "score_mib": "MiB for the scores of a sparse indexer",
}
_OFF = {
    "the cache has less": "less cache than said", "vLLM takes more": "more cache than said", "loading takes": "loading takes more",
    "what is free": "less free afterwards", "vLLM may refuse": "may refuse", "not modelled": "either way",
}  # fmt: skip


def page(written: str) -> str:
    """The whole page."""
    variables, others = [], []
    for one in faults():
        (variables if one.id.startswith("variable-") else others).append(one)
    read = ((f"`{name}`", _range(since, until), _DECIDES[what]) for name, (what, since, until) in READ.items())
    return "\n".join((
        "# Known faults of vLLM\n", written, _HEAD, table(("releases", "what happens", "numbers", "where", "source"), map(_row, others)),
        "## Variables of its environment\n", _VARIABLES, table(("variable", "read by", "decides"), read),
        "These decide memory or the start in a way no rule here knows, and are named in the answer:\n",
        table(("releases", "what happens", "numbers", "where", "source"), map(_row, variables)),
    ))  # fmt: skip


def _row(one: Fault) -> tuple[str, ...]:
    where = "; ".join(_condition(name, wanted) for name, wanted in one.conditions)
    off = next((words for key, words in _OFF.items() if key in one.off), "as said")
    return _range(one.since, one.until), one.effect, off, where, one.source


def _condition(name: str, wanted: list[object]) -> str:
    words = " or ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in wanted)
    if name == "variable":
        return f"`{words}`"
    plain = name.removesuffix("_above")
    return f"{plain.removeprefix('args.')} {'above ' * (plain != name)}{words}"


def _range(since: Version, until: Version) -> str:
    return (
        f"{format_version(since)} on"
        if until >= LATER
        else f"{format_version(since)} to before {format_version(until)}"
    )
