"""Which answers of two releases differ, and what of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tests.conformance.follow.asking import Answer, key

#: what may move, by kind; a number that only one of both releases was asked for is not compared
KINDS = {
    "refusal": ("error",),
    "parameters": ("parameter_bytes",),
    "dtype": ("dtype",),
    "context length": ("max_model_len",),
    "batch defaults": ("max_num_seqs", "max_num_batched_tokens"),
    "block size": ("block_size",),
    "backend": ("backends",),
    "KV specs": ("specs",),
    "KV plan": ("num_blocks", "tokens", "groups", "estimated_max_model_len", "refused"),
    "concurrency": ("max_concurrency",),
}
_PLAN = (*KINDS["KV plan"], *KINDS["concurrency"])


@dataclass(frozen=True, kw_only=True)
class Move:
    """A question that both releases were asked, with different answers; `kinds` of `KINDS`."""

    old: Answer
    new: Answer
    kinds: tuple[str, ...]

    def fields(self) -> tuple[str, ...]:
        """Names of what moved."""
        return tuple(name for kind in self.kinds for name in KINDS[kind] if differs(name, self.old, self.new))


def differs(name: str, old: Answer, new: Answer) -> bool:
    """Whether the releases differ in this. Of two refusals the wording does not count."""
    if name == "error":
        return ("error" in old) != ("error" in new)
    if "error" in old or "error" in new:
        return False
    if name in _PLAN and name != "groups":
        if not any(plan in old for plan in _PLAN) or not any(plan in new for plan in _PLAN):
            return False
    elif name not in old or name not in new:
        return False
    before, after = old.get(name), new.get(name)
    if isinstance(before, float) and isinstance(after, float):
        return not math.isclose(before, after, rel_tol=1e-9)
    return bool(_plain(before) != _plain(after))


def _plain(value: object) -> object:
    return {str(name): one for name, one in value.items()} if isinstance(value, dict) else value


def moves(old: Iterable[Answer], new: Iterable[Answer]) -> tuple[list[Move], list[Answer]]:
    """What moved, and the new answers that are as before. Questions that one of both was not asked are neither."""
    before = {key(answer): answer for answer in old}
    moved, same = [], []
    for answer in new:
        other = before.get(key(answer))
        if other is None:
            continue
        kinds = tuple(kind for kind, names in KINDS.items() if any(differs(name, other, answer) for name in names))
        if kinds:
            moved.append(Move(old=other, new=answer, kinds=kinds))
        else:
            same.append(answer)
    return moved, same
