"""Towers in the profile run."""

from __future__ import annotations

from attrs import evolve

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


def test_the_modality_with_the_longest_items_is_profiled(make_run):
    sound = evolve(GEMMA3, modality="audio", max_item_tokens=100)
    both = make_run(encoders=(sound, GEMMA3), shapes={"hidden": 5376})
    assert tower_memory(both) == tower_memory(make_run(encoders=(GEMMA3,), shapes={"hidden": 5376}))
    # one that no prompt may have does not count
    only = make_run(encoders=(sound, GEMMA3), shapes={"hidden": 5376}, item_limits=(("image", 0),))
    assert tower_memory(only) == tower_memory(make_run(encoders=(sound,), shapes={"hidden": 5376}))


def test_the_towers_pass_holds_four_widths_and_its_mlp(make_run):
    # 32 images of 4096 patches: 4 × 1152 + 2 × 4304 features each (3 × where the MLP is gated), over the ranks its MLP has
    def passing(run) -> int:
        return (tower_memory(run).peak - 2 * 32 * 3 * 896 * 896) // 2 // 32

    shapes = {"hidden": 1}  # embeddings are then small
    assert passing(make_run(encoders=(GEMMA3,), shapes=shapes)) == 4096 * (4 * 1152 + 2 * 4304)
    gated = evolve(GEMMA3, gated=True)
    assert passing(make_run(encoders=(gated,), shapes=shapes)) == 4096 * (4 * 1152 + 3 * 4304)
    assert passing(make_run(encoders=(GEMMA3,), shapes=shapes, tp=4)) == 4096 * (4 * 1152 + 2 * 4304 // 4)
    whole = evolve(GEMMA3, tensor_parallel=False)
    assert passing(make_run(encoders=(whole,), shapes=shapes, tp=4)) == 4096 * (4 * 1152 + 2 * 4304)


def test_embeddings_may_be_larger_than_the_pass(make_run):
    flat = Encoder(modality="image", max_item_tokens=8192, patches=1, width=1, mlp_width=1, input_elements=10)
    assert tower_memory(make_run(encoders=(flat,))).peak == 2 * (10 + 8192 * 4096)


def test_patches_without_a_size_are_14_by_14_pixels(make_run):
    # one item of 8192 tokens: 10 patches × 3 × 14 × 14
    plain = Encoder(modality="image", max_item_tokens=8192, patches=10, width=4, mlp_width=4)
    assert tower_memory(make_run(encoders=(plain,))).kept == 2 * (10 * 588 + 8192 * 4096)
    wide = evolve(plain, output_width=3)
    assert tower_memory(make_run(encoders=(wide,))).kept == 2 * (10 * 588 + 8192 * 3)


def test_an_item_longer_than_the_batch_is_still_encoded(make_run):
    long = Encoder(modality="video", max_item_tokens=10_000, patches=1, width=1, mlp_width=1, input_elements=10)
    assert tower_memory(make_run(encoders=(long,))).kept == 2 * (10 + 10_000 * 4096)
    # the batch is larger: two of 10,000 fit into 25,000
    assert tower_memory(make_run(encoders=(long,), tokens=25_000)).kept == 2 * 2 * (10 + 10_000 * 4096)


def test_items_are_as_many_as_all_requests_may_bring(make_run):
    # 999 a request where nothing is said; 3 requests with 2 images each are 6 of the 32 that the batch could hold
    one = make_run(encoders=(GEMMA3,), tokens=512 * 256, max_num_seqs=1)
    assert tower_memory(one).kept == 2 * 512 * (256 * 4096 + 3 * 896 * 896)
    tiny = evolve(GEMMA3, max_item_tokens=1, input_elements=1, output_width=1)
    assert tower_memory(make_run(encoders=(tiny,), tokens=5000, max_num_seqs=1)).kept == 2 * 999 * 2
    single = make_run(encoders=(GEMMA3,), max_num_seqs=5, item_limits=(("image", 1),))
    assert tower_memory(single).kept == 2 * 5 * (256 * 4096 + 3 * 896 * 896)
    limited = make_run(encoders=(GEMMA3,), max_num_seqs=3, item_limits=(("image", 2), ("video", 1)))
    assert tower_memory(limited).kept == 2 * 6 * (256 * 4096 + 3 * 896 * 896)


def test_only_0_11_copied_and_only_items_shorter_than_the_budget(make_run):
    for version, rows in (((0, 10, 2), 256), ((0, 11, 0), 8192), ((0, 12, 0), 256)):
        run = make_run(encoders=(GEMMA3,), version=version)
        assert tower_memory(run).kept == 2 * 32 * (rows * 4096 + 3 * 896 * 896), version
    whole = evolve(GEMMA3, max_item_tokens=8192)
    assert tower_memory(make_run(encoders=(whole,), version=(0, 11, 0))).kept == 2 * (8192 * 4096 + 3 * 896 * 896)


def test_an_item_without_tokens_takes_no_embeddings(make_run):
    # as many as the batch has tokens
    silent = evolve(GEMMA3, max_item_tokens=0, input_elements=1)
    assert tower_memory(make_run(encoders=(silent,), tokens=5)).kept == 2 * 5
