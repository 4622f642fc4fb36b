"""What was wrong, in the page's words: at which field, without the command line's flags, and what may have been meant."""

from __future__ import annotations

import re

from vram.checkpoint import near_ids
from vram.errors import InputError, ModelNotFoundError, ParallelismError, QuantizationError, UnknownNameError, VramError
from vram.models.record import frozen
from vram_plugins.web.fields import ALL, label_of
from vram_plugins.web.keys import ADDRESS

#: the page's field that an error is about, by the name it carries
_FIELDS = {
    "GPU": "gpu", "profile": "profile", "KV cache dtype": "kv_cache_dtype", "engine argument": "flags",
    "quantization method": "quantization", "speculative_config.num_speculative_tokens": "flags", "price": "prices",
    "kind of GPU": "kind", "order": "sort",
}  # fmt: skip
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]+)")
_HINTS_FOR_A_TERMINAL = re.compile(
    r"\s*\(?(?:or pass --token|Unset HF_HUB_OFFLINE|Give a local folder|Name an NVIDIA GPU|Give dimensions by hand|"
    r"Pass --trust-remote-code)[^.?]*[.?)]"
)


@frozen(kw_only=True)
class Told:
    """A sentence beside a field. `near` are names that may have been meant, each of which the field takes as it is."""

    field: str
    sentence: str
    near: tuple[str, ...] = ()


def told(error: VramError) -> Told:
    """What the page says of an error."""
    field = field_of(error)
    if isinstance(error, UnknownNameError):
        return _unknown(error, field)
    if isinstance(error, ParallelismError):
        what, units, size = (error.data[name] for name in ("what", "units", "tensor_parallel_size"))
        sentence = f"The model cannot be divided over {size} GPUs ({what}: {units}). Take a number that divides it."
        return Told(field=field, sentence=sentence)
    if isinstance(error, ModelNotFoundError):
        name = str(error.data["model"])
        near = near_ids(name) if error.data.get("reason") in ("missing", "offline", "path", "unreachable") else ()
        said = f"No model {name!r:.120}: {error.data['problem']}."
        step = "" if near else f" {error.next_step()}"
        return Told(field=field, sentence=_without_flags(said + step, field), near=near)
    if type(error) is InputError:
        value, problem = error.data.get("value"), str(error.data["problem"])
        got = "" if value is None else f" (it says {value!r:.60})"
        sentence = f"{label_of(field)}: {problem}{got}." if field in ALL else str(error)
        return Told(field=field, sentence=_without_flags(sentence, field))
    plain = str(error).removeprefix(f"{error.data.get('name')}: ")
    return Told(field=field, sentence=_without_flags(plain, field))


def field_of(error: VramError) -> str:
    """The field beside which an error is shown; "model" where it is about what was read."""
    if isinstance(error, ParallelismError):
        return "gpus"
    if isinstance(error, QuantizationError):
        return "quantization"
    if not isinstance(error, InputError):
        return "model"
    name = str(error.data.get("kind") or error.data.get("name") or "")
    return _FIELDS.get(name, name.lstrip("-").replace("-", "_") if name.islower() or "_" in name else "model")


def _unknown(error: UnknownNameError, field: str) -> Told:
    name, near = str(error.data["name"]), error.near()
    if field == ADDRESS:
        meant = f" It may mean {' or '.join(near[:2])}." if near else ""
        return Told(field=field, sentence=f"This address has a key that the page does not know: {name!r:.60}.{meant}")
    words = f"Nothing here is called {name!r:.80}." if field != "gpu" else f"No GPU here is called {name!r:.80}."
    return Told(field=field, sentence=words if near else f"{words} {error.next_step()}", near=near)


def _without_flags(text: str, field: str) -> str:
    """Flags as the fields that they are here; in the field of flags they are its own words."""
    if field == "flags":
        return text
    text = _HINTS_FOR_A_TERMINAL.sub("", text)

    def named(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        return f"“{label_of(name)}”" if name in ALL else found[1]

    return _FLAG.sub(named, text).strip()
