"""The profile run that tests vary: Llama 3.1 8B under vLLM 0.19 on an H100, with the API server's defaults."""

from __future__ import annotations

from vram.estimate.memory.profile_run import ProfileRun
from vram.estimate.memory.shapes import ModelShapes
from vram.models.profile import OverheadProfile
from vram.vllm.capture import GraphChoice

LLAMA_8B = ModelShapes(
    hidden=4096,
    vocabulary=128256,
    widest=3 * 14336,
    latent_width=0,
    experts=(),
    layers=32,
    gated_delta_layers=0,
    mamba_layers=0,
    latent_layers=0,
)

RUN = ProfileRun(
    shapes=LLAMA_8B,
    version=(0, 19, 0),
    capability=(9, 0),
    sms=132,
    architecture="LlamaForCausalLM",
    tokens=8192,
    rows=1024,
    max_num_seqs=1024,
    max_model_len=8192,
    gathered_tokens=0,
    loaded_workspace=0,
    item=2,
    tp=1,
    pp=1,
    dp=1,
    nccl=False,
    gathers=True,
    graphs=GraphChoice(),
    speculative_tokens=0,
    generates=True,
    v0_engine=False,
    v2_runner=False,
    encoders=(),
    item_limits=(),
    profile=OverheadProfile(name="test"),
)
