"""What an artifact is asked: to write down a deployment, and then one whose names are made to break out of its file."""

from __future__ import annotations

from collections.abc import Iterator

from vram.errors import PluginError, VramError
from vram.models.artifact import Artifact, ArtifactRequest
from vram.models.record import evolve
from vram.plugin.blame import told

PLAIN = "vram-check/plain-model"
#: a name that means something to a shell, to YAML, to JSON and to TOML, unless it is quoted
HOSTILE = """vram-check/it's: "$(touch x)" `id` #;&|<m> \\ {{x}}"""
_SIZES = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 4,
    "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}  # fmt: skip


def artifact_problems(artifact: Artifact) -> Iterator[str]:
    """Files inside the folder, each once, in which strangers' text stays text: the border says where not."""
    for model in (PLAIN, HOSTILE):
        try:
            artifact.render(_request(model))
        except PluginError as error:
            yield told(error)
        except VramError:
            continue  # it says in our words that it cannot write this down


def _request(model: str) -> ArtifactRequest:
    import vram
    from vram.deploy import artifact_request
    from vram.models.checkpoint import Checkpoint
    from vram.models.config import ModelConfig
    from vram.models.saved_request import SavedRequest

    checkpoint = Checkpoint(id="vram-check", source="hub", config=ModelConfig(raw=_SIZES))
    estimate = vram.estimate(checkpoint, gpu_memory_gib=80, max_model_len=4096)
    request = artifact_request(estimate, SavedRequest(model=model, gpu_memory_gib=80))
    return evolve(request, flags=(*request.flags, ("--served-model-name", model)))
