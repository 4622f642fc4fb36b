"""The one record of a question: a model, a deployment and what counts as fitting, every name resolved.

Made by `vram.ask.resolve`, which also changes it (`redeploy`): the description of a model depends on the deployment (its
length, parallel sizes, GPU), so a question whose deployment was swapped by hand would be about a model nobody serves.
"""

from __future__ import annotations

from vram.architecture.engine import Told
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import Deployment, Policy
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Hardware, OverheadProfile
from vram.models.record import frozen
from vram.models.scheme import Quantization, QuantizationScheme
from vram.models.spec import ModelSpec
from vram.vllm.versions import Behaviour, behaviour


@frozen(kw_only=True, eq=False)
class Question:
    """Everything the arithmetic needs; no plugin, file or network is left to ask.

    `spec`, `scheme`, `quantization` and `kv_dtype` are the checkpoint as this deployment serves it. `hypothetical`: no such
    checkpoint may exist, its weights are sized as the quantizer usually writes them. `told`: what an asked engine builds of it.
    `assumed` is what nobody said, as sentences.
    """

    checkpoint: Checkpoint
    hardware: Hardware
    spec: ModelSpec
    scheme: QuantizationScheme | None
    quantization: Quantization | None
    hypothetical: bool = False
    kv_dtype: KVCacheDtype
    deployment: Deployment
    policy: Policy
    told: Told | None = None
    assumed: tuple[str, ...] = ()

    @property
    def behaviour(self) -> Behaviour:
        """The rules of the vLLM version asked for."""
        return behaviour(self.deployment.vllm_version)

    @property
    def profile(self) -> OverheadProfile:
        """The overhead profile of the GPU."""
        return self.hardware.profile
