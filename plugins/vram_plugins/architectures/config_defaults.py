"""Defaults that transformers' config classes fill into nested sections, by `model_type`.

Source: `configuration_*.py` of transformers 5.19 (what vLLM 0.32.0 reads configs with); only fields that decide shapes.
"""

from __future__ import annotations

from collections.abc import Mapping


def _text(
    hidden: int, mlp: int, layers: int, heads: int, kv: int | None, vocab: int, positions: int, **more: object
) -> Mapping[str, object]:
    return {
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "vocab_size": vocab,
        "max_position_embeddings": positions,
        **more,
    }


def _vision(
    hidden: int, mlp: int, layers: int, heads: int, pixels: int, patch: int, **more: object
) -> Mapping[str, object]:
    return {
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        **({"image_size": pixels} if pixels else {}),
        "patch_size": patch,
        "num_channels": 3,
        **more,
    }


TEXT_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "gemma": _text(3072, 24576, 28, 16, 16, 256000, 8192, head_dim=256, tie_word_embeddings=True),
    "gemma2": _text(2304, 9216, 26, 8, 4, 256000, 8192, head_dim=256, sliding_window=4096, tie_word_embeddings=True),
    "gemma3_text": _text(
        2304, 9216, 26, 8, 4, 262208, 131072, head_dim=256, sliding_window=4096, tie_word_embeddings=True
    ),
    "gemma3n_text": _text(
        2048,
        16384,
        35,
        8,
        2,
        262400,
        32768,
        head_dim=256,
        sliding_window=512,
        tie_word_embeddings=True,
        vocab_size_per_layer_input=262144,
        hidden_size_per_layer_input=256,
        altup_num_inputs=4,
        num_kv_shared_layers=15,
        laurel_rank=64,
    ),
    "gemma4_text": _text(
        2304,
        9216,
        30,
        8,
        4,
        262144,
        131072,
        head_dim=256,
        global_head_dim=512,
        sliding_window=512,
        tie_word_embeddings=True,
        vocab_size_per_layer_input=262144,
        hidden_size_per_layer_input=256,
        num_kv_shared_layers=0,
    ),
    "cohere2": _text(
        8192, 22528, 40, 64, 64, 256000, 8192, head_dim=128, sliding_window=4096, tie_word_embeddings=True
    ),
    "glm4v_text": _text(4096, 13696, 40, 32, 2, 151552, 32768),
    "glm4v_moe_text": _text(4096, 10944, 46, 96, 8, 151424, 65536, attention_bias=True, moe_intermediate_size=1408),
    "glm_ocr_text": _text(1024, 4096, 16, 16, 8, 59392, 131072),
    "llama": _text(4096, 11008, 32, 32, None, 32000, 2048),
    "llama4_text": _text(
        5120, 8192, 48, 40, 8, 202048, 131072, head_dim=128, intermediate_size_mlp=16384, num_local_experts=16
    ),
    "mllama_text_model": _text(4096, 14336, 40, 32, 8, 128256, 131072),
    "mistral": _text(4096, 14336, 32, 32, 8, 32000, 131072, head_dim=128, sliding_window=4096),
    "ministral3": _text(4096, 14336, 34, 32, 8, 131072, 262144, head_dim=128),
    "mixtral": _text(4096, 14336, 32, 32, 8, 32000, 131072, num_local_experts=8, num_experts_per_tok=2),
    "opt": {
        "hidden_size": 768,
        "ffn_dim": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
        "word_embed_proj_dim": 768,
        "tie_word_embeddings": True,
    },
    "paddleocr_vl_text": _text(1024, 3072, 18, 16, 2, 103424, 131072, head_dim=128, tie_word_embeddings=True),
    "phi3": _text(3072, 8192, 32, 32, None, 32064, 4096),
    "qwen2": _text(4096, 22016, 32, 32, 32, 151936, 32768),
    "cosmos3_edge_text": _text(
        2048,
        9216,
        28,
        16,
        8,
        131072,
        131072,
        head_dim=128,
        rope_parameters={"rope_type": "default", "rope_theta": 100000000.0, "mrope_section": [24, 20, 20]},
    ),
    "glmasr": _text(2048, 6144, 28, 16, 4, 59264, 8192),  # the outer class's, for its text section
    "exaone4": _text(4096, 16384, 32, 32, 32, 102400, 2048, sliding_window=4096),
    "qwen2_5_omni_text": _text(3584, 18944, 28, 28, 4, 152064, 32768, tie_word_embeddings=True),
    "qwen3": _text(4096, 22016, 32, 32, 32, 151936, 32768, head_dim=128),
    "qwen3_moe": _text(2048, 6144, 24, 32, 4, 151936, 32768, moe_intermediate_size=768, num_experts=128),
    "qwen2_vl_text": _text(8192, 29568, 80, 64, 8, 152064, 32768),
    "qwen2_5_vl_text": _text(8192, 29568, 80, 64, 8, 152064, 32768),
    "qwen3_vl_text": _text(4096, 22016, 32, 32, 32, 151936, 128000, head_dim=128),
    "qwen3_vl_moe_text": _text(
        2048, 5632, 24, 16, 16, 151936, 128000, head_dim=128, moe_intermediate_size=1408, num_experts=60
    ),
    "qwen3_5_text": _text(4096, 12288, 32, 16, 4, 248320, 32768, head_dim=256),
    "qwen3_5_moe_text": _text(2048, 512, 40, 16, 2, 248320, 32768, head_dim=256),
    "smollm3": _text(2048, 11008, 36, 16, 4, 128256, 32768, tie_word_embeddings=True),
}

VISION_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "clip_vision_model": _vision(768, 3072, 12, 12, 224, 32),
    "siglip_vision_model": _vision(768, 3072, 12, 12, 224, 16),
    "siglip2_vision_model": _vision(768, 3072, 12, 12, 224, 16, num_patches=256),
    "cosmos3_edge_vision": _vision(1152, 4304, 27, 16, 0, 16, num_patches=256, spatial_merge_size=2),
    "minicpmv4_6_vision": _vision(768, 3072, 12, 12, 224, 16),
    "pixtral": _vision(1024, 4096, 24, 16, 1024, 16),
    "blip_2_vision_model": _vision(1408, 6144, 39, 16, 224, 14, qkv_bias=True),
    "idefics3_vision": _vision(1152, 3072, 12, 16, 224, 32),
    "smolvlm_vision": _vision(1152, 3072, 12, 16, 224, 32),
    "internvl_vision": _vision(1024, 4096, 24, 16, 448, 14),
    "muse_glimmer_vision": _vision(1536, 8960, 50, 16, 448, 14),
    "qianfan_ocr_vision": _vision(
        1024, 4096, 24, 16, 448, 14, attention_bias=True, use_qk_norm=False, norm_type="layer_norm"
    ),
    "intern_vit_6b": _vision(3200, 12800, 48, 25, 224, 14),
    "llama4_vision_model": _vision(768, 5632, 34, 16, 448, 14, pixel_shuffle_ratio=0.5, projector_input_dim=4096),
    "mllama_vision_model": _vision(1280, 5120, 32, 16, 448, 14, num_global_layers=8, max_num_tiles=4),
    "gemma4_vision": _vision(
        768,
        3072,
        16,
        12,
        0,
        16,
        num_key_value_heads=12,
        head_dim=64,
        position_embedding_size=10240,
        pooling_kernel_size=3,
    ),
    "qwen2_vl": {
        "depth": 32,
        "embed_dim": 1280,
        "hidden_size": 3584,
        "num_heads": 16,
        "mlp_ratio": 4,
        "in_channels": 3,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
    "qwen2_5_vl": {
        "depth": 32,
        "hidden_size": 3584,
        "intermediate_size": 3420,
        "num_heads": 16,
        "in_channels": 3,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 3584,
    },
    "exaone4_5_vision": {
        "depth": 32,
        "hidden_size": 3584,
        "intermediate_size": 3420,
        "num_heads": 16,
        "num_key_value_heads": 8,
        "in_channels": 3,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 3584,
    },
    "qwen3_vl": {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "in_channels": 3,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 3584,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [8, 16, 24],
    },
    "qwen3_5": {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "in_channels": 3,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 3584,
        "num_position_embeddings": 2304,
    },
    "glm4v_vision": {
        "depth": 24,
        "hidden_size": 1536,
        "intermediate_size": 13696,
        "num_heads": 12,
        "in_channels": 3,
        "image_size": 336,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 4096,
    },
    "glm_ocr_vision": {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "in_channels": 3,
        "image_size": 336,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 1536,
        "attention_bias": True,
    },
    "kimi_k25_vision": _vision(
        1152, 4304, 27, 16, 0, 14, pos_emb_height=64, pos_emb_width=64, merge_kernel_size=[2, 2]
    ),
    "moonvit": _vision(
        1152, 4304, 27, 16, 0, 14, init_pos_emb_height=64, init_pos_emb_width=64, merge_kernel_size=[2, 2]
    ),
}


def audio(
    layers: int, heads: int, mlp: int, width: int, mels: int = 128, positions: int = 1500
) -> Mapping[str, object]:
    """A Whisper-like audio section under both of its naming habits."""
    return {
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": mlp,
        "d_model": width,
        "num_mel_bins": mels,
        "max_source_positions": positions,
    }
