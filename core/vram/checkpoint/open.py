"""From what the user typed to a Checkpoint: local path, Hub cache, bundled catalog, Hub, in this order.

The catalog is asked before the Hub: its facts are those of the Hub, an answer needs no network, and huggingface_hub is not
imported, which takes longer than the answer. With a revision the Hub is meant, and the catalog only stands in for it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from vram.checkpoint.formats import suffixes
from vram.checkpoint.hub_cache import cached_snapshot, is_offline, named_snapshot
from vram.checkpoint.readable import is_readable
from vram.errors import InputError, ModelNotFoundError
from vram.models.checkpoint import Checkpoint
from vram.models.record import evolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from vram.checkpoint.awaited import Read
    from vram.models.checkpoint import Reading

#: huggingface_hub's `validate_repo_id`, with an optional quantization or file of a plugin's format behind it
_MODEL_ID = r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?(:[\w.-]{1,40}|(/[\w. -]{1,200}){0,4}(%s))?"
_REVISION = r"[\w][\w./+@-]{0,199}"
_LONGEST_NAME = 96
_PAGE = r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^?#]+)"


def open_checkpoint(
    model: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    progress: Reading | None = None,
) -> Checkpoint:
    """What a model's files say. `source` of the answer names where it is from, `notes` what was not at hand.

    `model` is a folder, a config.json, a file of a format that a plugin reads (GGUF), a Hub id or the address of its page. Nobody is
    asked where HF_HUB_OFFLINE is set. `token` as in huggingface_hub: text, True (the saved one), False (none), None (saved if any).
    Raises ModelNotFoundError, CheckpointError, HeaderError, ConfigError, InputError.
    """
    name = os.fspath(model)
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise InputError(name="MODEL", value=str(name)[:80], problem="must be a path or a Hub id")
    local = os.path.expanduser(name)
    if os.path.exists(local) and is_readable(local):
        from vram.checkpoint.local import open_local

        return open_local(local)
    elsewhere = named_snapshot(name)  # of another machine's cache, which names the model all the same
    if elsewhere is not None:
        name, revision = elsewhere[0], revision or elsewhere[1]
    meant = _named(name, revision)
    if meant != name:
        found = open_checkpoint(meant, revision=revision, token=token, progress=progress)
        return evolve(found, notes=(*found.notes, f"{name} is taken for {meant}."))
    repository = _model_id(name)
    if revision is not None and (not re.fullmatch(_REVISION, revision, re.ASCII) or ".." in revision):
        raise InputError(name="revision", value=revision[:80], problem="is no branch, tag or commit")
    cached = _open_cached(repository, revision)
    if cached is not None and cached.stored_bytes is not None:
        return cached
    if cached is None and revision is None:
        from vram.checkpoint.catalog import find

        known = find(repository)
        if known is not None:
            return known
    if is_offline():
        return cached or _open_catalog(repository, None)
    from vram.checkpoint import awaited
    from vram.checkpoint.hub import open_hub

    try:
        if _in_catalog(repository) and token is None:
            return awaited.HUB.checkpoint(repository, revision, _reader(repository, revision), progress)
        return open_hub(repository, revision=revision, token=token, progress=progress)
    except ModelNotFoundError as error:
        return _open_elsewhere(repository, revision, cached, error)


def has_answered(stand_in: Checkpoint) -> bool:
    """Whether the Hub, in whose place a checkpoint was answered, has said by now what it says, so that opening it again tells that."""
    from vram.checkpoint.awaited import HUB

    revision = stand_in.awaits or None
    return HUB.has_answered(stand_in.id, revision, _reader(stand_in.id, revision))


def _reader(repository: str, revision: str | None) -> Read:
    """What reads a model from the Hub in the background."""
    import huggingface_hub.utils  # noqa: F401  # here, as its loading is no waiting for the network

    from vram.checkpoint.awaited import LIMIT_SECONDS
    from vram.checkpoint.hub import open_hub

    def read(tell: Reading, has_config: Callable[[], None]) -> Checkpoint:
        return open_hub(
            repository, revision=revision, token=None, progress=tell, seconds=LIMIT_SECONDS, has_config=has_config
        )

    return read


def _named(name: str, revision: str | None) -> str:
    """The Hub id of a name without its organisation, where the catalog knows one and the cache nothing else; else the name."""
    if "/" in name or "\\" in name or name.endswith((".json", *suffixes())):
        return name
    from vram.checkpoint.catalog import id_named

    plain = re.fullmatch(_MODEL_ID % "(?!)", name, re.ASCII)
    return name if plain and _open_cached(name, revision) else id_named(name) or name


def _in_catalog(repository: str) -> bool:
    from vram.checkpoint.catalog import find

    return find(repository) is not None


def _model_id(name: str) -> str:
    """The Hub id in what was typed. Raises ModelNotFoundError with a path's or an id's next step."""
    page = re.fullmatch(_PAGE, name.strip()) if "://" in name else None
    if page:
        name = "/".join(page[1].split("/")[:2])
    if name.startswith((".", "/", "~")) or "\\" in name or name.endswith((".json", ".safetensors")):
        step = (
            "Check the path; a Hub id looks like organisation/name, and --model-for says what a path in a file is here."
        )
        raise ModelNotFoundError(model=name[:200], problem="there is no such file or folder", next=step, reason="path")
    pattern = _MODEL_ID % ("|".join(map(re.escape, suffixes())) or "(?!)")
    if not re.fullmatch(pattern, name, re.ASCII) or ".." in name or "--" in name:
        from vram.checkpoint.catalog import near_ids

        near = near_ids(name[:_LONGEST_NAME])
        step = f"Did you mean {', '.join(near)}?" if near else "A Hub id looks like organisation/name."
        problem = "it is neither an existing path nor a possible Hub id"
        raise ModelNotFoundError(model=name[:200], problem=problem, next=step, reason="path")
    return name


def _open_cached(repository: str, revision: str | None) -> Checkpoint | None:
    """The cached snapshot, None where there is none or it has no config. Weights may be missing from it."""
    if ":" in repository or repository.endswith(suffixes()):
        return None
    found = cached_snapshot(repository, revision)
    if found is None:
        return None
    from vram.checkpoint.local import CONFIG_FILE, open_folder

    folder, commit = found
    if not os.path.exists(os.path.join(folder, CONFIG_FILE)):
        return None
    checkpoint = open_folder(folder, whole=False)
    return evolve(checkpoint, id=repository, source="cache", revision=commit)


def _open_elsewhere(
    repository: str, revision: str | None, cached: Checkpoint | None, error: ModelNotFoundError
) -> Checkpoint:
    """What the cache or the catalog know where the Hub does not answer; else the Hub's refusal."""
    from vram.checkpoint.awaited import HUB, PASSING
    from vram.checkpoint.hub_errors import ANSWERABLE_ELSEWHERE

    if error.data.get("reason") not in ANSWERABLE_ELSEWHERE:
        raise error
    if cached is not None:
        found = evolve(cached, notes=(*cached.notes, f"The Hub was not asked further: {error.data['problem']}."))
    else:
        found = _open_catalog(repository, error)
    if error.data["reason"] not in PASSING or not _in_catalog(repository):
        return found
    HUB.stood_in()
    return evolve(found, awaits=revision or "")


def _open_catalog(repository: str, error: ModelNotFoundError | None) -> Checkpoint:
    """The bundled facts. Raises `error` (or, without one, that everything is offline), naming near ids."""
    from vram.checkpoint.catalog import find, near_ids
    from vram.checkpoint.hub_errors import offline

    found = find(repository)
    if found is not None:
        if error is None:
            return found
        return evolve(found, notes=(*found.notes, f"The Hub did not answer: {error.data['problem']}."))
    refusal = error or offline(repository)
    near = near_ids(repository)
    if near and refusal.data.get("reason") in ("missing", "offline"):
        refusal.data["next"] = f"Did you mean {', '.join(near)}? {refusal.data['next']}"
    raise refusal
