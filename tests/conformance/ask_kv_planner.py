"""Ask a vLLM version's own KV cache planning code, from its sources alone: no GPU, no installation of vLLM.

    python -m zipfile -e vllm-0.34.0-....whl sources
    python tests/conformance/ask_kv_planner.py sources 0.34.0 [--cases tests/data/vllm_kv_plans.jsonl] [--record]

Takes the recorded cases of the newest version in the file, gives them to that version's `v1/core/kv_cache_utils.py`
(`kv_cache_planning.py` since 0.33) and prints every case in which `vram` differs; with `--record` the answers are
appended to the file, where `tests/core/estimate/cache/test_recorded.py` finds them. Works from 0.11 on; needs torch
and `vram`. Everything the two modules import from vLLM is replaced by stand-ins, except specs and layouts.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

REAL = {
    "vllm.v1.kv_cache_interface",
    "vllm.v1.kv_cache_layout",
    "vllm.v1.kv_cache_spec_registry",
    "vllm.v1.core.kv_cache_utils",
    "vllm.v1.core.kv_cache_planning",
    "vllm.v1.core.kv_cache_config_builder",
}


class StandIn:
    """Whatever planning imports but does not use."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __class_getitem__(cls, item: object) -> type:
        return cls

    def __call__(self, *args: object, **kwargs: object) -> StandIn:
        return self

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn()


class StateBackend(enum.Enum):
    MAMBA2 = "mamba2"


def helpers() -> dict[str, object]:
    """The few functions planning really calls."""
    import torch

    return {
        "cdiv": lambda a, b: -(a // -b),
        "round_up": lambda x, y: (x + y - 1) // y * y,
        "get_dtype_size": lambda dtype: torch.tensor([], dtype=dtype).element_size(),
        "GiB_bytes": 2**30,
        "format_gib": lambda size: str(round(size / 2**30, 2)),
        "init_logger": lambda name: StandIn(),
        "get_hisparse_kv_cache_groups": lambda *args: None,
        "MambaAttentionBackendEnum": StateBackend,
    }


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the real modules from `sources` and an empty one for every other name of vLLM."""

    def __init__(self, sources: Path) -> None:
        self.sources, self.known = sources, helpers()

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".", maxsplit=1)[0] != "vllm":
            return None
        file = self.sources / (name.replace(".", "/") + ".py")
        if name in REAL and file.exists():
            return importlib.util.spec_from_file_location(name, file)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        known = self.known

        class Empty(types.ModuleType):
            def __getattr__(self, name: str) -> object:
                if name.startswith("__"):
                    raise AttributeError(name)
                return known[name] if name in known else type(name, (StandIn,), {})

        module = Empty(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Planner:
    """One version's planning modules."""

    def __init__(self, sources: Path) -> None:
        sys.meta_path.insert(0, Finder(sources))
        self.specs = importlib.import_module("vllm.v1.kv_cache_interface")
        self.utils = importlib.import_module("vllm.v1.core.kv_cache_utils")
        self.planning = None
        if (sources / "vllm/v1/core/kv_cache_planning.py").exists():
            self.planning = importlib.import_module("vllm.v1.core.kv_cache_planning")
            builders: Any = importlib.import_module("vllm.v1.core.kv_cache_config_builder")
            builder = self.planning.DefaultKVCacheConfigBuilder()
            builders.get_kv_cache_config_builder = lambda config: builder
        self._register()

    def _register(self) -> None:
        try:
            registry = importlib.import_module("vllm.v1.kv_cache_spec_registry").KVCacheSpecRegistry
        except AttributeError:
            return
        names = ("MambaSpec", "SlidingWindowMLASpec", "SlidingWindowSpec", "ChunkedLocalAttentionSpec",
                 "CrossAttentionSpec", "FullAttentionSpec")  # fmt: skip
        bases = [getattr(self.specs, name) for name in names if hasattr(self.specs, name)]
        registry.get_uniform_type_base_spec = staticmethod(
            lambda spec: next((base for base in bases if isinstance(spec, base)), None)
        )
        registry.check_kv_cache_spec_registry = staticmethod(lambda *args, **kwargs: None)

    def spec(self, layer: Any, page: Any, max_model_len: int) -> object:
        """vLLM's spec for one of `vram`'s cache layers with its resolved page."""
        import torch

        from vram.models import cache

        def make(name: str, **fields: object) -> object:
            cls = getattr(self.specs, name)
            known = {field.name for field in dataclasses.fields(cls)}
            return cls(**{key: value for key, value in fields.items() if key in known})

        block = page.block_size or max_model_len
        if isinstance(layer, cache.StateCache):
            padded = page.page_bytes if page.page_bytes != page.unpadded_bytes else None
            return make("MambaSpec", block_size=block, shapes=((page.unpadded_bytes // 2,),), dtypes=(torch.bfloat16,),
                        page_size_padded=padded, num_prefill_checkpoint_blocks=max(0, page.state_blocks - 2))  # fmt: skip
        if isinstance(layer, cache.AttentionCache):
            name = {"full_attention": "FullAttentionSpec", "sliding_window": "SlidingWindowSpec",
                    "chunked_local": "ChunkedLocalAttentionSpec", "cross_attention": "CrossAttentionSpec"}  # fmt: skip
            return make(name[layer.kind], block_size=block, num_kv_heads=layer.num_kv_heads, head_size=layer.head_size,
                        head_size_v=layer.head_size_v, dtype=torch.bfloat16, sliding_window=layer.window,
                        attention_chunk_size=layer.window)  # fmt: skip
        if isinstance(layer, cache.LatentCache):
            return make("MLAAttentionSpec", block_size=block, num_kv_heads=1, dtype=torch.bfloat16,
                        head_size=layer.kv_lora_rank + layer.qk_rope_head_dim, cache_dtype_str="auto")  # fmt: skip
        fields: dict[str, Any] = {"block_size": block, "num_kv_heads": 1, "dtype": torch.uint8, "head_size": 512}
        if isinstance(layer, cache.IndexerCache):
            fields |= {"head_size": layer.head_dim + 4, "tokens_per_state": layer.tokens_per_state}
        elif isinstance(layer, cache.CompressorCache):
            fields |= {"head_size": layer.width, "dtype": torch.float32}
        else:
            fields |= {"cache_dtype_str": "fp8_ds_mla", "model_version": "deepseek_v4", "state_content_bytes": 584,
                       "tokens_per_state": getattr(layer, "tokens_per_state", 1)}  # fmt: skip
        if page.packed:
            fields |= {"alignment": 576, "compress_ratio": fields.get("tokens_per_state", 1)}
        window = getattr(layer, "window", None)
        return make("SlidingWindowMLASpec" if window else "MLAAttentionSpec", sliding_window=window, **fields)

    def ask(self, ranks: Any, available: tuple[int, ...], context: Any) -> dict[str, Any]:
        """The plan of this version, or its refusal."""
        from vram.estimate.cache.alignment import resolve_block_sizes
        from vram.estimate.cache.specs import resolve_specs

        kinds = tuple(dict.fromkeys(kind for rank in ranks for kind, _ in rank))
        pages = dict(zip(kinds, resolve_specs(kinds, context), strict=True))
        config = self._config(
            context, resolve_block_sizes(kinds, context), packed=any(p.packed for p in pages.values())
        )
        specs, number = [], 0
        for rank in ranks:
            named = {}
            for kind, count in rank:
                for _ in range(count):
                    named[f"model.layers.{number}"] = self.spec(kind, pages[kind], context.max_model_len)
                    number += 1
            specs.append(named)
        try:
            if self.planning is not None:
                groups = self.planning.get_global_kv_cache_groups(config, specs)
                plans = self.planning.get_kv_cache_configs(config, specs, list(available), groups)
            else:
                plans = self.utils.get_kv_cache_configs(config, specs, list(available))
        except ValueError as refused:
            found = re.search(r"estimated maximum model length is (\d+)", str(refused))
            kind = "no_memory" if "No available" in str(refused) else "too_long"
            kind = "auto_fit" if "auto-fit" in str(refused) else kind
            return {"refusal": kind, "estimated_max_model_len": int(found[1]) if found else None}
        concurrency = self.utils.get_max_concurrency_for_kv_cache_config(config, plans[0])
        length = config.model_config.max_model_len
        return {
            "num_blocks": plans[0].num_blocks,
            "tokens": int(concurrency * length),
            "max_concurrency": concurrency,
            "max_model_len": length,
            "groups": [[len(g.layer_names), g.kv_cache_spec.block_size] for g in plans[0].kv_cache_groups],
        }

    def _config(self, context: Any, sizes: Any, *, packed: bool) -> types.SimpleNamespace:
        space = types.SimpleNamespace
        length = -1 if context.auto_fit_max_model_len else context.max_model_len
        config = space(
            model_config=space(
                max_model_len=context.max_model_len, original_max_model_len=length, supports_kv_cache_grouping=False
            ),
            cache_config=space(
                num_gpu_blocks_override=context.num_gpu_blocks_override, block_size=sizes.attention,
                mamba_cache_mode=sizes.state_mode, prefix_cache_retention_interval=None, cache_dtype="auto",
            ),
            scheduler_config=space(
                max_num_batched_tokens=context.max_num_batched_tokens,
                max_num_encoder_input_tokens=context.encoder_tokens,
                disable_hybrid_kv_cache_manager=context.disable_hybrid_kv_cache_manager,
            ),
            parallel_config=space(
                decode_context_parallel_size=context.decode_context_parallel_size, prefill_context_parallel_size=1,
                tensor_parallel_size=1, pipeline_parallel_size=context.pipeline_parallel_size,
            ),
            attention_config=space(hisparse_config=None),
            device_config=space(device_type="cuda"),
            max_in_flight_tokens=context.in_flight_tokens,
            num_speculative_tokens=0, num_prefill_lookahead_tokens=0, speculative_config=None, kv_transfer_config=None,
        )  # fmt: skip
        try:
            layouts = importlib.import_module("vllm.v1.kv_cache_layout").KVCacheLayout
            layout = layouts.BLHNC if packed else layouts.LBNHC
            config.cache_config.get_resolved_kv_cache_layout = lambda: layout
        except AttributeError:
            pass
        return config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path)
    parser.add_argument("version")
    parser.add_argument("--cases", type=Path, default=Path(__file__).parents[1] / "data" / "vllm_kv_plans.jsonl")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "estimate" / "cache"))
    recorded = importlib.import_module("test_recorded")
    from vram.vllm.versions import parse_version

    rows = [json.loads(line) for line in args.cases.read_text().splitlines()]
    newest = max((row["vllm"] for row in rows), key=parse_version)
    planner, different, asked = Planner(args.sources), 0, []
    for row in (row for row in rows if row["vllm"] == newest):
        case = {**row, "vllm": args.version}
        context = recorded.context_of(case)
        case["answer"] = planner.ask(recorded.ranks_of(case), tuple(case["available"]), context)
        asked.append(case)
        got = recorded.plan(case, context)
        if any(getattr(got, key) != value for key, value in case["answer"].items() if key != "groups"):
            different += 1
            print(f"vLLM {case['answer']}\nvram {got}\n  for {case['ranks']} {case['context']}\n")
    print(f"{len(asked)} cases, {different} different")
    if args.record:
        with args.cases.open("a") as file:
            file.writelines(json.dumps(case, separators=(",", ":")) + "\n" for case in asked)
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
