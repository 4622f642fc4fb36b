"""`kvCacheOffloading` of a LLMInferenceService: the controller makes it `--kv-transfer-config` of the OffloadingConnector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from vram_plugins.readers.documents import Block

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([KMGT]i?|k|)")
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def kept_cache(role: Block) -> Iterator[str]:
    """The words of one role; KServe's first releases have it under `workload`, and the size under `cpu.size`."""
    asked = role.block("kvCacheOffloading") or role.block("workload", "kvCacheOffloading")
    size = _bytes(asked.text("cpu") or asked.text("cpu", "size") or "")
    if size is None:
        return
    extra = {"cpu_bytes_to_use": size, "eviction_policy": asked.text("evictionPolicy") or "lru"}
    config = {"kv_connector": "OffloadingConnector", "kv_role": "kv_both", "kv_connector_extra_config": extra}
    yield from ("--kv-transfer-config", json.dumps(config))


def _bytes(quantity: str) -> int | None:
    """Bytes of a quantity of Kubernetes, as in `10Gi`."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        return None
    unit = found[2]
    return int(float(found[1]) * (1024 if unit.endswith("i") else 1000) ** _POWERS.get(unit[:1].upper(), 0))
