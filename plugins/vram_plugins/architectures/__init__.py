"""Built-in architecture adapters, one module per family: which names each answers for, without importing any.

A new adapter takes a line here; `tests/plugins/test_names_first.py` holds the table against the modules.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later

#: by module: the architectures of its adapters
NAMES = {
    "alice_ai": "AliceAIForCausalLM",
    "alibi": (
        "BloomForCausalLM FalconForCausalLM RWForCausalLM MPTForCausalLM MptForCausalLM BaichuanForCausalLM "
        "BaiChuanForCausalLM QWenLMHeadModel JAISLMHeadModel"
    ),
    "aria": "AriaForConditionalGeneration",
    "asr_conformer": "FireRedASR2ForConditionalGeneration FunASRForConditionalGeneration",
    "audio_lm": (
        "Qwen2AudioForConditionalGeneration VoxtralForConditionalGeneration Qwen2_5OmniModel "
        "Qwen2_5OmniForConditionalGeneration Qwen3OmniMoeForConditionalGeneration"
    ),
    "bailing": "BailingMoeForCausalLM BailingMoeV2ForCausalLM SarvamMoEForCausalLM Param2MoEForCausalLM",
    "bailing_linear": "BailingMoeV2_5ForCausalLM BailingMoeV3ForCausalLM",
    "bailing_vl": "BailingMoeV3VLForConditionalGeneration",
    "beam": "BeamForCausalLM DomynEdgeForCausalLM",
    "bert": (
        "BertModel BertSpladeSparseEmbeddingModel BertForMaskedLM BertForSequenceClassification "
        "BertForTokenClassification RobertaForMaskedLM BgeM3EmbeddingModel HF_ColBERT "
        "RobertaForSequenceClassification XLMRobertaForSequenceClassification RobertaForTokenClassification "
        "XLMRobertaForTokenClassification"
    ),
    "blip2": "Blip2ForConditionalGeneration",
    "chatglm_vision": "GLM4VForCausalLM",
    "cohere": "CohereForCausalLM Cohere2ForCausalLM Cohere2MoeForCausalLM",
    "cohere_compass": "CohereCompassForConditionalGeneration",
    "contrastive": "CLIPModel SiglipModel",
    "cosmos3_edge": "Cosmos3EdgeForConditionalGeneration",
    "deepseek": (
        "DeepseekV2ForCausalLM DeepseekForCausalLM DeepseekV3ForCausalLM MistralLarge3ForCausalLM "
        "DeepseekV3BidirectionalModel DeepseekV32ForCausalLM GlmMoeDsaForCausalLM Glm4MoeLiteForCausalLM "
        "AXK1ForCausalLM Mistral4ForCausalLM SarvamMLAForCausalLM"
    ),
    "deepseek_v4": "DeepseekV4ForCausalLM",
    "deepseek_v4_vl": "DeepseekV4ForConditionalGeneration",
    "deepseek_vl": "DeepseekVLV2ForCausalLM DeepseekOCRForCausalLM DeepseekOCR2ForCausalLM UnlimitedOCRForCausalLM",
    "dense_first_moe": (
        "Ernie4_5_MoeForCausalLM AfmoeForCausalLM ExaoneMoEForCausalLM ExaoneMoeForCausalLM HYV3ForCausalLM "
        "ArcticForCausalLM"
    ),
    "embedding_gemma2": "EmbeddingGemma2Model",
    "diffusion_gemma": "DiffusionGemmaForBlockDiffusion",
    "dory": "DoryForCausalLM",
    "ernie_vl": "Ernie4_5_VLMoeForConditionalGeneration",
    "falcon_h1": "FalconH1ForCausalLM",
    "flint": "FlintForCausalLM",
    "gemma": (
        "GemmaForCausalLM Gemma2ForCausalLM Gemma3ForCausalLM Gemma3TextModel Rnj1ForCausalLM VaultGemmaForCausalLM"
    ),
    "gemma3n": "Gemma3nForCausalLM Gemma3nTextModel",
    "gemma3n_mm": "Gemma3nForConditionalGeneration",
    "gemma4": "Gemma4ForCausalLM",
    "gemma4_towers": "Gemma4ForConditionalGeneration",
    "gemma4_unified": "Gemma4UnifiedForConditionalGeneration",
    "glm": "ChatGLMModel ChatGLMForConditionalGeneration GlmForCausalLM Glm4ForCausalLM Glm4MoeForCausalLM",
    "glm4v": "Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration GlmOcrForConditionalGeneration",
    "gpt": (
        "GPT2LMHeadModel GPTBigCodeForCausalLM GPTJForCausalLM GPTNeoXForCausalLM Starcoder2ForCausalLM OPTForCausalLM"
    ),
    "gpt_oss": "GptOssForCausalLM OpenAIPrivacyFilterForTokenClassification",
    "granite4_vision": "Granite4VisionForConditionalGeneration LlavaOnevision2ForConditionalGeneration",
    "granite_hybrid": "GraniteMoeHybridForCausalLM BambaForCausalLM",
    "hrm_text": "HrmTextForCausalLM",
    "hy_v4": "HYV4ForCausalLM",
    "hunyuan_vl": "HunYuanVLForConditionalGeneration",
    "hyperclovax_vl": "HCXVisionV2ForCausalLM",
    "idefics3": "Idefics3ForConditionalGeneration SmolVLMForConditionalGeneration",
    "inkling": "InklingForCausalLM InklingForConditionalGeneration",
    "intern_s_pro": "InternS1ProForConditionalGeneration InternS2MobiusForConditionalGeneration",
    "internvl": (
        "InternVLChatModel H2OVLChatModel NVLM_D SkyworkR1VChatModel QianfanOCRForConditionalGeneration "
        "InternVLForConditionalGeneration InternS1ForConditionalGeneration"
    ),
    "isaac": "IsaacForConditionalGeneration",
    "jamba": "JambaForCausalLM JambaForSequenceClassification",
    "k2_horizon": "K2HorizonForCausalLM",
    "kanana_v": "KananaVForConditionalGeneration",
    "keye": (
        "KeyeForConditionalGeneration KeyeVL1_5ForConditionalGeneration Eagle2_5_VLForConditionalGeneration "
        "BagelForConditionalGeneration"
    ),
    "kimi_k3": "KimiK3ForConditionalGeneration",
    "kimi_linear": "KimiLinearForCausalLM",
    "kimi_vl": "KimiVLForConditionalGeneration KimiK25ForConditionalGeneration",
    "lfm2": "Lfm2ForCausalLM Lfm2MoeForCausalLM",
    "llama": (
        "LlamaForCausalLM LLaMAForCausalLM InternLM3ForCausalLM IQuestCoderForCausalLM TeleChat3ForCausalLM "
        "TeleFLMForCausalLM AquilaForCausalLM AquilaModel XverseForCausalLM "
        "InternLMForCausalLM MistralForCausalLM Ministral3ForCausalLM Qwen2ForCausalLM Qwen3ForCausalLM "
        "Phi3ForCausalLM MiMoForCausalLM"
    ),
    "llama4": "Llama4ForCausalLM Llama4ForConditionalGeneration",
    "llama_kin": (
        "GraniteForCausalLM GraniteSWAForCausalLM ExaoneForCausalLM Exaone4ForCausalLM SolarForCausalLM "
        "HyperCLOVAXForCausalLM Ernie4_5ForCausalLM Ernie4_5_ForCausalLM TeleChat2ForCausalLM TeleChatForCausalLM "
        "Plamo3ForCausalLM InternLM2ForCausalLM OrionForCausalLM NemotronForCausalLM StableLmForCausalLM "
        "StableLMEpochForCausalLM ApertusForCausalLM Step1ForCausalLM"
    ),
    "llava": (
        "LlavaForConditionalGeneration LlavaNextForConditionalGeneration LlavaNextVideoForConditionalGeneration "
        "LlavaOnevisionForConditionalGeneration BeeForConditionalGeneration RForConditionalGeneration"
    ),
    "longcat": "LongcatFlashForCausalLM LongcatFlashNgramForCausalLM",
    "loop_coder": "IQuestLoopCoderForCausalLM",
    "mamba": "MambaForCausalLM FalconMambaForCausalLM Mamba2ForCausalLM",
    "mimo_omni": "MiMoV2OmniForCausalLM",
    "midasheng": "MiDashengLMModel",
    "minicpm3": "MiniCPM3ForCausalLM",
    "minicpmv": "MiniCPMV MiniCPMO",
    "minicpmv4": "MiniCPMV4_6ForConditionalGeneration MiniCPMV4_7ForConditionalGeneration MiniCPMOcrForConditionalGeneration",
    "minimax_m3": "MiniMaxM3SparseForCausalLM MiniMaxM3SparseForConditionalGeneration",
    "minimax_text01": "MiniMaxText01ForCausalLM MiniMaxM1ForCausalLM MiniMaxForCausalLM",
    "mistral3": "Mistral3ForConditionalGeneration LightOnOCRForConditionalGeneration",
    "mixtral": (
        "MixtralForCausalLM PhiMoEForCausalLM GraniteMoeForCausalLM GraniteMoeSharedForCausalLM "
        "GraniteMoeSWAForCausalLM MiniMaxM2ForCausalLM DbrxForCausalLM Grok1ModelForCausalLM Grok1ForCausalLM "
        "MiniCPMForCausalLM"
    ),
    "mllama": "MllamaForConditionalGeneration",
    "modern_vbert": "ModernVBertModel ColModernVBertForRetrieval",
    "molmo": "MolmoForCausalLM",
    "moondream3": "Moondream3ForCausalLM HfMoondream",
    "moss": "MossTranscribeDiarizeForConditionalGeneration",
    "muse_glimmer": "MuseGlimmerForCausalLM MuseGlimmerForConditionalGeneration",
    "molmo2": "Molmo2ForConditionalGeneration",
    "nemotron_h": "NemotronHForCausalLM",
    "nemotron_nas": "DeciLMForCausalLM",
    "nemotron_parse": "NemotronParseForConditionalGeneration RadioMBartPrefixForCausalLM",
    "ocr_vl": "PaddleOCRVLForConditionalGeneration DotsOCRForCausalLM Lfm2VlForConditionalGeneration",
    "nemotron_vl": (
        "Llama_Nemotron_Nano_VL NemotronH_Nano_VL_V2 NemotronH_Nano_Omni_Reasoning_V3 "
        "NemotronH_Super_Omni_Reasoning_V3 NemotronH_Omni_Reasoning_V3 LlamaNemotronVLModel "
        "LlamaNemotronVLForSequenceClassification"
    ),
    "olmo": "OlmoForCausalLM Olmo2ForCausalLM Olmo3ForCausalLM OlmoeForCausalLM FlexOlmoForCausalLM",
    "olmo_hybrid": "OlmoHybridForCausalLM",
    "openpangu": "PanguEmbeddedForCausalLM PanguProMoEV2ForCausalLM PanguUltraMoEForCausalLM",
    "openpangu_vl": "OpenPanguVLForConditionalGeneration",
    "openvla": "OpenVLAForActionPrediction",
    "persimmon": "PersimmonForCausalLM FuyuForCausalLM",
    "ovis": "Ovis Ovis2_5 Ovis2_6ForCausalLM Ovis2_6_MoeForCausalLM",
    "phi": "PhiForCausalLM Phi3SmallForCausalLM",
    "phi4_vision": "Phi4ForCausalLMV MossAudioModel",
    "phi_vision": "Phi3VForCausalLM Phi4MMForCausalLM",
    "pixtral": "PixtralForConditionalGeneration",
    "qwen3_next": "Qwen3NextForCausalLM Qwen3_5ForCausalLM Qwen3_5MoeForCausalLM",
    "qwen4_exp": "Qwen4ExpForCausalLM Qwen4ExpForConditionalGeneration",
    "qwen_moe": "Qwen2MoeForCausalLM Qwen3MoeForCausalLM",
    "qwen_vl": (
        "Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration Exaone4_5_ForConditionalGeneration "
        "OpenCUAForConditionalGeneration "
        "Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration Qwen3_5ForConditionalGeneration "
        "Qwen3_5MoeForConditionalGeneration"
    ),
    "retrieval": "ColPaliForRetrieval ColBERTLfm2Model Lfm2BidirectionalModel JinaVLForRanking",
    "rope_bert": (
        "ModernBertModel ModernBertForSequenceClassification ModernBertForTokenClassification ColBERTModernBertModel "
        "NomicBertModel GteModel GteNewModel NewModel NewForSequenceClassification GteNewForSequenceClassification "
        "RobertaModel XLMRobertaModel ColBERTJinaRobertaModel"
    ),
    "same_class": (
        "Cosmos3ForConditionalGeneration Alpamayo2Super InternS2PreviewForConditionalGeneration ColQwen3 OpsColQwen3Model "
        "Qwen3VLNemotronEmbedModel ColQwen3_5 D3ForSequenceClassification ClefFlashForJointSchema "
        "ClefOmniForJointSchema JinaEmbeddingsV5Model Qwen3ASRForcedAlignerForTokenClassification "
        "NemotronHPuzzleForCausalLM"
    ),
    "siglip_vl": (
        "Gemma3ForConditionalGeneration PaliGemmaForConditionalGeneration Cohere2VisionForConditionalGeneration"
    ),
    "speech": (
        "UltravoxModel AudioFlamingo3ForConditionalGeneration Qwen3ASRForConditionalGeneration "
        "Qwen3ASRRealtimeGeneration GlmAsrForConditionalGeneration GraniteSpeechForConditionalGeneration "
        "GraniteSpeechPlusForConditionalGeneration"
    ),
    "speech_chat": "MoonshotKimiaForCausalLM FunAudioChatForConditionalGeneration",
    "step": "Step3p5ForCausalLM Step3TextForCausalLM",
    "step_vl": ("Step3VLForConditionalGeneration StepVLForConditionalGeneration Step3p7ForConditionalGeneration"),
    "transformers_backend": (
        "NanbeigeForCausalLM HeliumForCausalLM ArceeForCausalLM Jais2ForCausalLM SeedOssForCausalLM "
        "SmolLM3ForCausalLM CwmForCausalLM MinistralForCausalLM HunYuanDenseV1ForCausalLM BitNetForCausalLM"
    ),
    "transformers_backend_moe": "HunYuanMoEV1ForCausalLM MellumForCausalLM SolarOpenForCausalLM Dots1ForCausalLM Kolibri1ForCausalLM",
    "transformers_names": (
        "TransformersForCausalLM TransformersMoEForCausalLM TransformersEmbeddingModel TransformersMoEEmbeddingModel "
        "TransformersForSequenceClassification TransformersMoEForSequenceClassification"
    ),
    "uneven": "LagunaForCausalLM MiMoV2FlashForCausalLM MiMoV2ForCausalLM",
    "vibevoice": "VibeVoiceAsrForConditionalGeneration",
    "voxtral_realtime": "VoxtralRealtimeGeneration",
    "whisper": "WhisperForConditionalGeneration",
    "zamba2": "Zamba2ForCausalLM",
}
#: decoders whose pooling forms `pooling` adds, earlier ones first where two would give one name
POOLED = (
    "alibi", "bailing", "cohere", "dense_first_moe", "gemma", "glm", "gpt", "gpt_oss", "llama", "llama_kin", "mixtral",
    "nemotron_nas", "olmo", "openpangu", "phi", "qwen_moe", "step", "transformers_backend", "transformers_backend_moe", "uneven",
)  # fmt: skip
#: reward and bidirectional models of `pooling`, which are no form of a decoder above
SPECIAL = (
    "Qwen2ForRewardModel Qwen2ForProcessRewardModel InternLM2ForRewardModel LlamaBidirectionalModel "
    "LlamaBidirectionalForSequenceClassification JinaForRanking VoyageQwen3BidirectionalEmbedModel"
)

#: speculative heads, which are no models to serve
DRAFTS = (
    "BailingMoeV25MTPModel BailingMoeV3MTPModel DeepSeekMTPModel DeepseekV32MTPModel DeepSeekV4MTPModel "
    "DFlash2BeamDraftModel DFlash2DraftModel DFlashDraftModel DFlashLagunaForCausalLM "
    "DFlashMuseGlimmerAssistantModel DFlashQwen3XPressModel Dots3NoteMTPModel DSparkDraftModel "
    "DSparkV41DraftModel Eagle3DeepseekV2ForCausalLM Eagle3DeepseekV3ForCausalLM Eagle3LlamaForCausalLM "
    "Eagle3MiniMaxM2ForCausalLM Eagle3Qwen2_5vlForCausalLM Eagle3Qwen3ForCausalLM Eagle3Qwen3vlForCausalLM "
    "EagleCohereForCausalLM EagleDeepSeekMTPModel EagleLlama4ForCausalLM EagleLlamaForCausalLM "
    "EagleMiniCPMForCausalLM EagleMistralForCausalLM EagleMistralLarge3ForCausalLM ErnieMTPModel Exaone4_5_MTP "
    "ExaoneMoeMTP ExtractHiddenStatesModel Gemma4DSparkModel Gemma4MTPModel Glm4MoeLiteMTPModel Glm4MoeMTPModel "
    "Glm5NextMTPModel GlmOcrMTPModel HYV3MTPModel HYV4MTPModel InklingMTPModel InternS2MobiusMTP K3DSparkModel "
    "KimiK3MTPModel LiLiCorrDraftModel LlamaForCausalLMEagle3 LongCatFlashMTPModel MiMoMTPModel MiMoV2MTPModel "
    "MiMoV2OmniMTPModel MiniMaxM3MTP MuseGlimmerAssistantModel MuseSparkDSparkModel NemotronHMTPModel "
    "OpenPanguMTPModel ParseAuxMTPModel PEagleDraftModel PeagleLlamaForCausalLM PeagleQwen3ForCausalLM "
    "Qwen3_5MoeMTP Qwen3_5MTP Qwen3DSparkModel Qwen3NextMTP Qwen3OmniDSparkModel Qwen3XPressModel Qwen4ExpMTP "
    "Step3p5MTP Step5MTP TransformersForMTP TransformersMoEForMTP"
)


@hookimpl
def vram_architecture_adapters() -> Iterator[Later]:
    """Each module's names, and those of the pooling forms."""
    for module, names in NAMES.items():
        yield Later(names=tuple(names.split()), load=f"{__name__}.{module}:adapters")
    yield Later(names=tuple(DRAFTS.split()), load=f"{__name__}.drafts:adapters")
    yield Later(names=(*SPECIAL.split(), *_pooling_names()), load=f"{__name__}.pooling:adapters")


def _pooling_names() -> Iterator[str]:
    """As `vram.architecture.pooling.pooling_forms` names them."""
    from vram.architecture.pooling_names import pooling_names

    bases = [name for module in POOLED for name in NAMES[module].split()]
    known = set(bases)
    for base in bases:
        names = [name for name in pooling_names(base) if name not in known]
        known.update(names)
        yield from names
