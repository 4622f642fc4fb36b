"""The environment a foreign vLLM runs in: the user's own, without tokens, and with caches in a folder of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

#: not for a program that asks no network; HF_TOKEN_PATH is only a place
_SECRET = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY|CREDENTIALS)$")
_TRACES = ("PYTHONSTARTUP", "PYTHONINSPECT", "VIRTUAL_ENV", "PYTHONHOME")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/vram/ask-vllm`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    return Path(base).expanduser() / "vram" / "ask-vllm"


def child_environment() -> dict[str, str]:
    """What the child gets: vLLM's own variables decide as they would for a server."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name) and name not in _TRACES}
    scratch = str(cache_folder() / "scratch")
    return {**kept, "VLLM_CACHE_ROOT": scratch, "TRITON_CACHE_DIR": scratch, "TORCHINDUCTOR_CACHE_DIR": scratch}


def deciding() -> Mapping[str, str]:
    """The variables that may change an answer."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("VLLM_")}
