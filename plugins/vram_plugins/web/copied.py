"""What a copy of the page asks in the visitor's browser, in place of a server: Python there runs the library itself."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, unquote

from vram_plugins.web.routes import Reply, fields_in, got, posted

#: files of a repository that a public model is described by
WANTED = ("config.json", "model.safetensors.index.json", "hf_quant_config.json")
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_CACHE = "HF_HUB_CACHE"


def begin() -> None:
    """Python asks nobody: the browser reads public configs itself, and puts them where the Hub's cache is looked for."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ[_CACHE] = "/hub"  # of the page's own memory


def answered(method: str, path: str, query: str, body: str) -> tuple[int, str, bytes, str]:
    """Status, type, content, and the name of a file to keep, as the server would send them."""
    pairs = fields_in(query)
    reply = got(path, pairs, local_paths=False) if method == "GET" else posted(path, body.encode(), local_paths=False)
    if reply is None:
        return 404, "application/json", b'{"field": "", "error": "There is nothing here."}', ""
    return int(reply.status), reply.kind, reply.content, _name_of(reply)


def unread(query: str) -> str:
    """The model of a question whose config has to be fetched first; "" where it is known or no public id."""
    from vram.checkpoint import find

    model = dict(parse_qsl(query)).get("model", "").strip()
    kept = os.path.exists(os.path.join(_folder(model), "snapshots"))
    return model if _ID.fullmatch(model) and ".." not in model and not kept and find(model) is None else ""


def keep(model: str, name: str, text: str) -> None:
    """Put a fetched file where the library looks for it. Raises ValueError for what is no file of a model."""
    if not _ID.fullmatch(model) or ".." in model or name not in WANTED:
        raise ValueError(name)
    commit = "0" * 40
    snapshot = os.path.join(_folder(model), "snapshots", commit)
    os.makedirs(snapshot, exist_ok=True)
    os.makedirs(os.path.join(_folder(model), "refs"), exist_ok=True)
    with open(os.path.join(_folder(model), "refs", "main"), "w", encoding="ascii") as file:
        file.write(commit)
    with open(os.path.join(snapshot, name), "w", encoding="utf-8") as file:
        file.write(text)


def _folder(model: str) -> str:
    return os.path.join(os.environ[_CACHE], "models--" + model.replace("/", "--"))


def _name_of(reply: Reply) -> str:
    found = re.search(r"filename\*=UTF-8''(\S+)", reply.headers.get("Content-Disposition", ""))
    return unquote(found[1]) if found else ""
