"""Every error this program raises on bad input, with its wording.

An error carries data (`error.data`), not text; the sentence is made here and nowhere else: what is wrong,
where, and what to do next. `VramError` is caught once, by the command line, which exits with code 2.

    VramError
    ├── InputError              a value the user gave
    │   ├── UnknownNameError    not one of the known names
    │   ├── OtherVendorError    hardware that is not modelled
    │   └── ParallelismError    sizes that do not divide
    ├── ModelNotFoundError      no such model, gated, offline
    ├── CheckpointError         a file of the model is missing or broken
    │   ├── ConfigError         a field of config.json
    │   └── HeaderError         a safetensors or GGUF header
    ├── ArchitectureError       nothing here knows this architecture
    ├── QuantizationError       a quantization block, or one that contradicts the request
    ├── RemoteCodeError         the model needs code from its repository
    ├── ProfileError            an overhead profile
    ├── OutputError             a file cannot be written
    ├── DetectionError          this machine's GPUs cannot be asked
    ├── LogError                a start-up log cannot be read, or says nothing
    ├── CalibrationError        this machine cannot be measured
    └── PluginError             a plugin, or two that claim one name
        └── NotGivenError       a name of the library that plugins give, and none does
"""

from __future__ import annotations

import re
from typing import ClassVar


class VramError(Exception):
    """Base of every error on bad input. `data` holds its facts; str() is one sentence and what to do next."""

    message: ClassVar[str] = "{problem}"
    hint: ClassVar[str] = ""

    def __init__(self, **data: object) -> None:
        super().__init__()
        self.data = data

    def __str__(self) -> str:
        text = re.sub(r"(?<=://)[^\s/@]+@", "***@", self.message.format_map(self.data))  # credentials of an address
        hint = self.next_step()
        return _on_one_line(f"{text} {hint}" if hint else text)

    def next_step(self) -> str:
        """What to do next, possibly empty: `next` among the data says it better than the class."""
        return str(self.data.get("next") or self.hint.format_map(self.data))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.data))


def _on_one_line(text: str) -> str:
    """A path may hold line ends, orders to a terminal, and four thousand letters: none is printed as it is."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)
    return re.sub(r"(\S{200})\S{200,}", r"\1…", text)


def _rebuild(kind: type[VramError], data: dict[str, object]) -> VramError:
    return kind(**data)


class InputError(VramError):
    """A value the user gave. data: name, value, problem."""

    message = "{name}: {problem} (got {value!r:.100})."

    def __str__(self) -> str:
        if type(self) is InputError and self.data.get("value") is None:
            return _on_one_line("{name}: {problem}.".format_map(self.data))
        return super().__str__()


class UnknownNameError(InputError):
    """A name that is none of the known ones. data: kind, name, known, maybe `also`: further spellings with the known name of each."""

    message = "Unknown {kind} {name!r:.100}."

    def near(self) -> tuple[str, ...]:
        """The known names that are spelled nearly so, the nearest first; the one it is another spelling of alone."""
        from difflib import get_close_matches

        name, also = str(self.data["name"]).lower(), self.data.get("also")
        if isinstance(also, dict) and name in also:
            return (also[name],)
        lowered = {each.lower(): each for each in self._known()}
        close = get_close_matches(name, lowered, n=4, cutoff=0.7) or get_close_matches(name, lowered, n=4, cutoff=0.4)
        return tuple(lowered[each] for each in close)

    def next_step(self) -> str:
        near, known = self.near(), self._known()
        if near:
            return f"Did you mean {', '.join(near)}?"
        more = " ..." if len(known) > 24 else ""
        return f"Known: {', '.join(sorted(known)[:24])}{more}." if known else "No plugin that is loaded gives one."

    def _known(self) -> list[str]:
        raw = self.data["known"]
        return [str(each) for each in raw] if isinstance(raw, tuple | list) else []


class OtherVendorError(InputError):
    """Hardware that is not modelled. data: name, value, problem."""

    message = (
        "{name}: {value!r:.100} {problem}; NVIDIA GPUs from Volta on and AMD's from CDNA and RDNA 3 on are modelled."
    )
    hint = "Name one of those (vram profiles lists them), or give its memory alone with --vram-gib for a rough answer."


class ParallelismError(InputError):
    """A tensor-parallel size that vLLM refuses. data: what, units, tensor_parallel_size."""

    message = "{what}: {units} cannot be divided over tensor_parallel_size={tensor_parallel_size}."
    hint = "Choose a tensor-parallel size that divides it."


class ModelNotFoundError(VramError):
    """data: model, problem, next."""

    message = "Model {model!r:.300}: {problem}."
    hint = "{next}"


class CheckpointError(VramError):
    """A file of the checkpoint. data: path, problem."""

    message = "{path}: {problem}."


class ConfigError(CheckpointError):
    """A field of config.json that is missing or impossible. data: path, field, problem."""

    message = "{path}: field {field!r} {problem}."


class HeaderError(CheckpointError):
    """A safetensors or GGUF header that is broken or lies. data: path, problem."""

    message = "{path}: broken header: {problem}."
    hint = "Download the file again, or give the folder's config.json alone."


class ArchitectureError(VramError):
    """An architecture nothing here knows. data: architecture, problem."""

    message = "Architecture {architecture!r:.100} {problem}."
    hint = "Give dimensions by hand (--params-billion, --layers, --kv-heads, --head-dim), or install a plugin that knows it."


class QuantizationError(VramError):
    """data: method, problem."""

    message = "Quantization {method!r:.100}: {problem}."


class RemoteCodeError(VramError):
    """data: model, problem."""

    message = "{model!r:.300} {problem}."
    hint = "Pass --trust-remote-code if you trust that repository."


class ProfileError(VramError):
    """An overhead profile file. data: path, problem."""

    message = "Overhead profile {path}: {problem}."


class OutputError(VramError):
    """A file that cannot or must not be written. data: path, problem."""

    message = "{path}: {problem}."


class DetectionError(VramError):
    """This machine's GPUs cannot be asked. data: problem, next."""

    message = "No GPU could be read: {problem}."
    hint = "{next}"


class LogError(VramError):
    """A start-up log. data: path, problem."""

    message = "Log {path}: {problem}."


class CalibrationError(VramError):
    """This machine cannot be measured, or vLLM did not start on it. data: problem, next."""

    message = "Cannot calibrate: {problem}."
    hint = "{next}"


class PluginError(VramError):
    """A plugin, or two claiming one name. data: problem."""

    message = "{problem}."
    hint = "Disable one with VRAM_DISABLED_PLUGINS=name."


class NotGivenError(PluginError, AttributeError):
    """A name of the library that is a plugin's, where no plugin gives it. data: name."""

    message = "vram.{name} is a plugin's, and none that is loaded gives it."
    hint = "See `vram plugins`, and VRAM_DISABLED_PLUGINS."
