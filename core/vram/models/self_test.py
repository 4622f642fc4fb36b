"""A test that a plugin carries: a model, and the bytes that vLLM makes of it."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.record import field, frozen


@frozen(kw_only=True)
class SelfTest:
    """What `vram plugins check` asks for numbers that are plausible and may still be wrong; no answer reads it.

    `config` is a config.json, `arguments` those of `vram.estimate` (`gpu` an H100 where none is named). The numbers are the
    first pipeline rank's, in bytes: `parameter_bytes` what vLLM creates (`ranks[0].parameter_bytes`), `weights_bytes` what it
    holds once loaded, `kv_bytes_per_token` of the cache. None is not compared, and one at least
    must be given. `source`, which must not be empty, says where they are from: a start of vLLM, its meta device, a sum by hand.
    """

    name: str
    config: Mapping[str, object] = field(repr=False)
    arguments: Mapping[str, object] = field(factory=dict)
    parameter_bytes: int | None = None
    weights_bytes: int | None = None
    kv_bytes_per_token: int | None = None
    source: str = ""
