"""Where huggingface_hub keeps what it has downloaded, looked up without importing it.

Layout (huggingface_hub, `file_download.py:try_to_load_from_cache`): CACHE/models--ORG--NAME/refs/REVISION holds a
commit, CACHE/models--ORG--NAME/snapshots/COMMIT/ the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from vram.checkpoint.files import is_file

_COMMIT = r"[0-9a-f]{40}"
_SNAPSHOT = (
    rf"(?:^|[/\\])models--(?:([\w.-]{{1,96}}?)--)?((?:(?!--)[\w.-]){{1,96}})[/\\]snapshots[/\\]({_COMMIT})[/\\]?\Z"
)
_TRUE = {"1", "ON", "YES", "TRUE"}


def is_offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids the network, read as huggingface_hub reads it."""
    value = environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in _TRUE


def cache_folder(environment: Mapping[str, str] = os.environ) -> str:
    """The Hub cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub."""
    base = environment.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = environment.get("HF_HOME") or os.path.join(base, "huggingface")
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    return os.path.expandvars(os.path.expanduser(named or os.path.join(home, "hub")))


def named_snapshot(path: str) -> tuple[str, str] | None:
    """The Hub id and commit that a path into somebody's Hub cache names, None for any other path."""
    found = re.search(_SNAPSHOT, path)
    return (f"{found[1]}/{found[2]}" if found[1] else found[2], found[3]) if found else None


def cached_snapshot(repository: str, revision: str | None) -> tuple[str, str] | None:
    """Folder and commit of a cached revision ("main" by default), None where it is not cached.

    Expects ids and revisions that were checked before: they become parts of a path.
    """
    root = os.path.join(cache_folder(), "models--" + repository.replace("/", "--"))
    reference = os.path.join(root, "refs", revision or "main")
    commit = revision or ""
    if is_file(reference):
        try:
            with open(reference, encoding="ascii") as file:
                commit = file.read(64).strip()
        except (OSError, UnicodeDecodeError):
            return None
    if not re.fullmatch(_COMMIT, commit):
        return None
    folder = os.path.join(root, "snapshots", commit)
    return (folder, commit) if os.path.isdir(folder) else None
