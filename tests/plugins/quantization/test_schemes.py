"""What each scheme makes of its block, beyond the tensors that vLLM's own answers cover."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vram.errors import QuantizationError
from vram.models.checkpoint import HeaderTensor, Inventory
from vram.models.parameters import Experts, Linear, LocalExperts, LocalLinear, Split
from vram.models.scheme import Format, ModuleRef, Quantization

Bind = Callable[..., Quantization]


def linear(name: str, *parts: str) -> ModuleRef:
    return ModuleRef(name=name, parts=parts, kind="linear")


def shape(inputs: int, *outputs: int) -> LocalLinear:
    parts = tuple(Split(size=size) for size in outputs)
    return Linear(name="x", inputs=inputs, outputs=parts).local(1, "float16")


def experts(**more: object) -> LocalExperts:
    sizes = {"num_experts": 8, "hidden_size": 512, "intermediate_size": 256, "top_k": 2}
    return Experts(name="x", **{**sizes, **more}).local(1, 1, "bfloat16")  # type: ignore[arg-type]


def kept(form: Format | None, local: LocalLinear) -> int:
    assert form is not None
    return sum(tensor.loaded_bytes for tensor in form.linear(local))


def test_awq_takes_unquantized_modules_from_the_headers(bind: Bind) -> None:
    tensors = (
        HeaderTensor(name="model.layers.0.mlp.gate.weight", dtype="F16", shape=(8, 8), nbytes=128),
        HeaderTensor(name="model.layers.0.self_attn.q_proj.qweight", dtype="I32", shape=(8, 8), nbytes=256),
        HeaderTensor(name="model.layers.0.self_attn.q_proj.scales", dtype="F16", shape=(8, 8), nbytes=128),
    )
    inventory = Inventory(tensors=tensors, total_bytes=512, files=1)
    block = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}

    quantization = bind(block, inventory=inventory)

    assert quantization.format_for(linear("model.layers.0.mlp.gate")) is None
    assert quantization.format_for(linear("model.layers.0.self_attn.q_proj")) is not None


def test_gptq_with_act_order_is_sized_and_refused_by_the_verdict_of_new_versions(bind: Bind) -> None:
    block = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True}

    old, new = bind(block, version=(0, 20, 0)), bind(block, version=(0, 33, 0))

    assert not old.refusals
    assert "desc_act" in new.refusals[0]
    for quantization in (old, new):
        form = quantization.format_for(linear("x"))
        assert form is not None
        assert "g_idx" in {tensor.name for tensor in form.linear(shape(4096, 4096))}


def test_a_fused_layer_quantized_in_parts_is_refused_as_in_vllm(bind: Bind) -> None:
    block = {"quant_method": "fp8", "activation_scheme": "dynamic", "ignored_layers": ["a.q_proj"]}

    with pytest.raises(QuantizationError, match=r"some but not all parts of a\.qkv_proj"):
        bind(block).format_for(linear("a.qkv_proj", "a.q_proj", "a.k_proj", "a.v_proj"))


def test_fp8_online_is_named_anew_since_0_32(bind: Bind) -> None:
    old, new = (bind(requested="fp8", version=version) for version in ((0, 20, 0), (0, 33, 0)))

    assert not old.notes
    assert "fp8_per_tensor" in new.notes[0]
    assert kept(new.format_for(linear("x")), shape(4096, 4096)) == 4096 * 4096 + 4


def test_lists_follow_the_models_renames(bind: Bind) -> None:
    block = {
        "quant_method": "fp8",
        "activation_scheme": "dynamic",
        "modules_to_not_convert": ["model.visual.merger.fc"],
    }

    quantization = bind(block, renames=(("model.visual.", "visual."),))

    assert quantization.format_for(linear("visual.merger.fc")) is None
    assert quantization.format_for(linear("visual.blocks.0.fc")) is not None


def test_deepseek_v4_takes_fp8_checkpoints_of_its_model_type(bind: Bind) -> None:
    block = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}

    four = bind(block, model={"model_type": "deepseek_v4", "expert_dtype": "fp4"})
    eight = bind(block, model={"model_type": "deepseek_v4", "expert_dtype": "fp8"})

    assert four.name == eight.name == "deepseek_v4_fp8"
    for quantization, scale in ((four, "float8_e8m0fnu"), (eight, "float32")):
        form = quantization.format_for(linear("model.layers.0.attn.wq_b"))
        assert form is not None
        assert form.linear(shape(1024, 32768))[1].dtype == scale
    form = four.format_for(ModuleRef(name="model.layers.0.ffn.experts", kind="experts"))
    assert form is not None
    assert {t.dtype for t in form.experts(experts())} == {"uint8"}


def test_gpt_oss_keeps_tritons_layout_on_hopper_and_marlins_elsewhere(bind: Bind) -> None:
    sizes = experts(num_experts=32, hidden_size=2880, intermediate_size=2880, top_k=4, bias=True)
    totals = {}
    for capability in ((8, 0), (9, 0)):
        quantization = bind({"quant_method": "mxfp4"}, capability=capability, model={"model_type": "gpt_oss"})
        form = quantization.format_for(ModuleRef(name="model.layers.0.mlp.experts", kind="experts"))
        assert form is not None
        tensors = [t for t in form.experts(sizes) if "bias" not in t.name]
        totals[capability] = sum(t.loaded_bytes for t in tensors)
        assert quantization.format_for(linear("model.layers.0.attn.qkv_proj")) is None

    # Marlin: 3072 wide, 2944 between, 17/32 bytes a weight
    assert totals[8, 0] == 32 * 3072 * 2944 * 3 * 17 // 32
    # Triton: weights as they are; scales of 5760 and 2880 outputs padded to 256, 90 groups to 92
    assert totals[9, 0] == 32 * (5760 + 2880) * 1440 + 32 * (5888 + 3072) * 92


def test_bitsandbytes_gets_its_scales_after_loading(bind: Bind) -> None:
    plain = bind({"quant_method": "bitsandbytes", "load_in_4bit": True})
    nested = bind({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True})
    eight = bind({"quant_method": "bitsandbytes", "load_in_8bit": True})
    local = shape(4096, 4096)
    blocks = 4096 * 4096 // 64

    assert kept(plain.format_for(linear("x")), local) == 4096 * 4096 // 2 + 4 * blocks + 64
    # a byte per block, four per 256 of them, the two code tables of 16 and 256 fp32
    assert kept(nested.format_for(linear("x")), local) == 4096 * 4096 // 2 + blocks + 4 * blocks // 256 + 64 + 1024
    assert kept(eight.format_for(linear("x")), local) == 4096 * 4096 + 4 * 4096


def test_bitsandbytes_skips_by_component_and_by_beginning(bind: Bind) -> None:
    block = {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "llm_int8_skip_modules": ["vision_tower", "model.layers.0"],
    }
    quantization = bind(block)

    assert quantization.format_for(linear("model.vision_tower.fc")) is None
    assert quantization.format_for(linear("model.layers.0.mlp.down_proj")) is None
    assert quantization.format_for(linear("model.layers.01.mlp.down_proj")) is not None


def test_hqq_holds_its_tensors_twice(bind: Bind) -> None:
    block = {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}}
    form = bind(block).format_for(linear("x"))
    assert form is not None
    created = sum(tensor.created_bytes for tensor in form.linear(shape(4096, 4096)))

    assert created == 4096 * 4096 // 2 + 2 * 2 * 4096 * 64
    assert kept(form, shape(4096, 4096)) == 2 * created


def test_aqlm_has_codes_and_a_codebook_per_part(bind: Bind) -> None:
    block = {
        "quant_method": "aqlm",
        "in_group_size": 8,
        "nbits_per_codebook": 16,
        "num_codebooks": 1,
        "out_group_size": 1,
    }
    form = bind(block).format_for(linear("x"))

    # 4096 × 6144 / 8 codes of two bytes, three codebooks of 65536 × 8 fp16, a scale per output
    assert kept(form, shape(4096, 4096, 1024, 1024)) == 6144 * 512 * 2 + 3 * 65536 * 8 * 2 + 6144 * 2


def test_a_gptq_checkpoint_in_marlins_layout_is_marlins(bind: Bind) -> None:
    block = {"quant_method": "gptq", "bits": 4, "group_size": 128, "checkpoint_format": "marlin"}
    form = bind(block, version=(0, 10, 1)).format_for(linear("x"))

    assert kept(form, shape(4096, 4096)) == 4096 * 4096 // 2 + 32 * 4096 * 2 + 4096 // 64 * 16 * 4


def test_gguf_pads_fused_parts_to_the_widest_row(bind: Bind) -> None:
    types = {"a.q_proj": "Q4_K", "a.k_proj": "Q4_K", "a.v_proj": "Q6_K", "lm_head": "Q8_0", "b": "F16"}
    quantization = bind({"quant_method": "gguf", "tensor_types": types})
    form = quantization.format_for(linear("a.qkv_proj", "a.q_proj", "a.k_proj", "a.v_proj"))

    # 4096 inputs are 16 blocks: 144 bytes each of Q4_K, 210 of Q6_K, which decides; three bytes name the types
    assert kept(form, shape(4096, 4096, 1024, 1024)) == 6144 * 16 * 210 + 3
    assert quantization.format_for(linear("b", "b")) is None
    assert quantization.format_for(ModuleRef(name="lm_head", kind="lm_head")) is not None
    assert quantization.embeddings


def test_gguf_without_types_asks_for_the_file(bind: Bind) -> None:
    with pytest.raises(QuantizationError, match=r"\.gguf"):
        bind({"quant_method": "gguf"})


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        # half a byte, and two bf16 per 128
        ("Int4WeightOnlyConfig", {"group_size": 128}, 4096 * 4096 // 2 + 4096 * 32 * 4),
        ("Int8WeightOnlyConfig", {}, 4096 * 4096 + 4096 * 2),
        ("Float8WeightOnlyConfig", {}, 4096 * 4096 + 4),
        ("Float8DynamicActivationFloat8WeightConfig", {"granularity": ["PerRow"]}, 4096 * 4096 + 4096 * 4),
    ],
)
def test_torchao_by_its_layouts(kind: str, data: dict[str, object], expected: int, bind: Bind) -> None:
    block = {"quant_method": "torchao", "quant_type": {"default": {"_type": kind, "_data": data}}}

    assert kept(bind(block).format_for(linear("x")), shape(4096, 4096)) == expected


def test_fbgemm_has_fp8_per_output(bind: Bind) -> None:
    quantization = bind({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, version=(0, 33, 0))

    assert kept(quantization.format_for(linear("x")), shape(4096, 4096)) == 4096 * 4096 + 4 * 4096 + 4


@pytest.mark.parametrize("method", ["exl2", "exl3"])
def test_exllama_is_refused_with_a_reason(method: str, bind: Bind) -> None:
    with pytest.raises(QuantizationError, match="no loader"):
        bind({"quant_method": method, "bits": 4.0})


def test_the_kv_cache_dtype_comes_from_the_checkpoint(bind: Bind) -> None:
    scheme = {"num_bits": 8, "type": "float", "strategy": "tensor", "symmetric": True}
    compressed = {"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": scheme}
    modelopt = {"quant_method": "modelopt", "quant_algo": "FP8"}
    flat = {**modelopt, "kv_cache_scheme": {"num_bits": 8, "type": "float", "dynamic": False}}
    nested = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}}
    word = {**modelopt, "kv_cache_scheme": "FP8"}

    found = [bind(block).kv_cache_dtype for block in (compressed, flat, nested, word)]
    assert found == ["fp8", "fp8_e4m3", "fp8_e4m3", "fp8_e4m3"]


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("INT8", None),  # not known to vLLM, which warns and takes "auto"
        ({"num_bits": 8, "type": "float"}, None),  # "dynamic" must be there and false
        ({"num_bits": 8, "type": "int", "dynamic": False}, None),
        ({"num_bits": 4, "type": "float"}, "nvfp4"),
    ],
)
def test_a_kv_scheme_modelopt_does_not_write_means_auto(scheme: object, expected: str | None, bind: Bind) -> None:
    block = {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": scheme}

    assert bind(block).kv_cache_dtype == expected


def test_hf_quant_config_is_read_nested_and_flat_alike(bind: Bind) -> None:
    inner = {"quant_algo": "NVFP4", "kv_cache_quant_algo": None, "group_size": 16}
    nested = bind({"producer": {"name": "modelopt"}, "quantization": {**inner, "exclude_modules": ["lm_head"]}})
    flat = bind({"quant_method": "modelopt", **inner, "ignore": ["lm_head"]})

    for quantization in (nested, flat):
        assert quantization.name == "modelopt_fp4"
        assert quantization.format_for(ModuleRef(name="lm_head", kind="lm_head")) is None
        assert quantization.format_for(linear("model.layers.0.mlp.down_proj")) is not None


def test_modelopts_stars_end_at_components(bind: Bind) -> None:
    block = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["model.layers.1*", "*mlp.gate"]}
    quantization = bind(block)

    assert quantization.format_for(linear("model.layers.1.mlp.down_proj")) is None
    assert quantization.format_for(linear("model.layers.7.mlp.gate")) is None
    assert quantization.format_for(linear("model.layers.7.mlp.down_proj")) is not None


@pytest.mark.parametrize(
    ("weights", "inputs", "version", "lowest"),
    [
        ({"num_bits": 4, "strategy": "group", "group_size": 128}, None, (0, 33, 0), (7, 5)),
        ({"num_bits": 4, "strategy": "group", "group_size": 128}, None, (0, 11, 0), (8, 0)),
        (
            {"num_bits": 8, "strategy": "channel"},
            {"num_bits": 8, "strategy": "token", "dynamic": True},
            (0, 9, 2),
            (7, 5),
        ),
        ({"num_bits": 8, "strategy": "channel", "type": "float"}, None, (0, 33, 0), (7, 5)),
        (
            {"num_bits": 4, "strategy": "group", "group_size": 128},
            {"num_bits": 8, "strategy": "token", "dynamic": True, "type": "float"},
            (0, 33, 0),
            (9, 0),
        ),
    ],
)
def test_compressed_tensors_needs_the_gpu_its_groups_need(
    weights: dict[str, object],
    inputs: dict[str, object] | None,
    version: tuple[int, int, int],
    lowest: tuple[int, int],
    bind: Bind,
) -> None:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
    block = {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}

    assert bind(block, version=version).min_capability == lowest
