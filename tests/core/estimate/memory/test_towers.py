"""Towers in the profile run."""

from __future__ import annotations

from vram.estimate.memory.towers import tower_memory
from vram.models.spec import Encoder

# Qwen3-VL-30B-A3B: 65536 patches of 3 × 2 × 16 × 16 values make 16384 embeddings of 2048 × (1 + 3 deepstack levels)
QWEN3_VL = Encoder(
    modality="image",
    max_item_tokens=16384,
    patches=65536,
    width=1152,
    mlp_width=4304,
    input_elements=65536 * 1536,
    output_width=8192,
)
# Gemma 3 27B: 896 × 896 pixels, 4096 patches, 256 embeddings of 5376
GEMMA3 = Encoder(
    modality="image", max_item_tokens=256, patches=4096, width=1152, mlp_width=4304, input_elements=3 * 896 * 896
)


def test_embeddings_and_pixels_stay_through_the_text_pass(make_run):
    # (16384 × 8192 + 65536 × 1536) × 2 bytes = 256 MiB + 192 MiB; logs show 0.43 GiB
    assert tower_memory(make_run(encoders=(QWEN3_VL,))).kept == 448 * 2**20


def test_as_many_items_as_the_budget_holds(make_run):
    # 8192 // 256 = 32 images
    memory = tower_memory(make_run(encoders=(GEMMA3,), shapes={"hidden": 5376}))
    assert memory.kept == 2 * 32 * (256 * 5376 + 3 * 896 * 896)


def test_few_requests_bring_few_items(make_run):
    run = make_run(encoders=(GEMMA3,), shapes={"hidden": 5376}, max_num_seqs=4, item_limits=(("image", 2),))
    assert tower_memory(run).kept == 2 * 8 * (256 * 5376 + 3 * 896 * 896)


def test_0_11_copied_each_item_into_a_whole_budget(make_run):
    run = make_run(encoders=(GEMMA3,), shapes={"hidden": 5376}, version=(0, 11, 2))
    assert tower_memory(run).kept == 2 * 32 * (8192 * 5376 + 3 * 896 * 896)


def test_nothing_where_no_item_is_allowed_or_the_runner_does_not_profile_towers(make_run):
    assert tower_memory(make_run(encoders=(GEMMA3,), item_limits=(("image", 0),))).peak == 0
    assert tower_memory(make_run(encoders=(GEMMA3,), version=(0, 25, 1), v2_runner=True)).peak == 0
    assert tower_memory(make_run()).peak == 0
