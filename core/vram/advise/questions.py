"""From a checkpoint, a GPU and engine arguments to a question, fast where the same model is asked about again and again."""

from __future__ import annotations

from vram.api import bare_question, question_of
from vram.ask.build import Inputs, resolve_deployment
from vram.ask.describe import bind_quantization, build_spec
from vram.errors import QuantizationError, UnknownNameError
from vram.estimate.assemble import Question
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import EngineArgs
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Gpu, OverheadProfile
from vram.models.record import frozen
from vram.models.request import Request
from vram.models.scheme import Quantization, QuantizationScheme
from vram.models.spec import ModelSpec
from vram.plugin.manager import Plugins
from vram.vllm.versions import Behaviour

_MOST_KEPT = 1024


@frozen(kw_only=True, eq=False)
class Stored:
    """A model as GPUs of one capability store it.

    `hypothetical`: sized as its quantizer usually writes it. `from_checkpoint`: the checkpoint itself is quantized.
    """

    spec: ModelSpec
    scheme: QuantizationScheme | None
    quantization: Quantization | None
    hypothetical: bool
    from_checkpoint: bool


@frozen(kw_only=True, eq=False)
class Hardware:
    """A GPU with its overhead profile, and its free memory where it is this machine's."""

    gpu: Gpu
    profile: OverheadProfile
    free_memory_bytes: int | None = None


class Questions:
    """Resolves names once for many questions of one vLLM version."""

    def __init__(self, registry: Plugins, behaviour: Behaviour) -> None:
        self.registry = registry
        self.behaviour = behaviour
        self._stored: dict[tuple[object, ...], Stored] = {}

    def stored(
        self, checkpoint: Checkpoint, capability: tuple[int, int], args: EngineArgs, *, hypothetical: bool = False
    ) -> Stored:
        """The model under `args.quantization`; with `hypothetical` also as no such checkpoint may exist. Raises VramError."""
        # of the arguments that `build_spec` looks at, those that differ between the questions of one plan or matrix
        changing = (args.tensor_parallel_size, args.max_model_len, args.max_num_batched_tokens)
        key = (checkpoint, args.quantization, capability, *changing)
        found = self._stored.get(key)
        if found is None:
            if len(self._stored) >= _MOST_KEPT:
                self._stored.clear()
            found = self._stored[key] = self._bound(checkpoint, capability, args, hypothetical)
        return found

    def ask(self, checkpoint: Checkpoint, stored: Stored, hardware: Hardware, request: Request) -> Question:
        """The question without notes, with vLLM's defaults filled in. Raises UnknownNameError, InputError."""
        return bare_question(self._inputs(checkpoint, stored, hardware, request))

    def ask_in_full(self, checkpoint: Checkpoint, stored: Stored, hardware: Hardware, request: Request) -> Question:
        """The question as `vram.estimate` asks it, with its notes and warnings. Raises UnknownNameError, InputError."""
        return question_of(self._inputs(checkpoint, stored, hardware, request))

    def _inputs(self, checkpoint: Checkpoint, stored: Stored, hardware: Hardware, request: Request) -> Inputs:
        asked = request.args.kv_cache_dtype
        if asked == "auto" and stored.quantization is not None and stored.quantization.kv_cache_dtype:
            asked = stored.quantization.kv_cache_dtype
        deployment = resolve_deployment(request, stored.spec, hardware.gpu, self.behaviour, hardware.free_memory_bytes)
        return Inputs(
            checkpoint=checkpoint,
            spec=stored.spec,
            scheme=stored.scheme,
            quantization=stored.quantization,
            kv_dtype=self.kv_dtype(asked),
            kv_dtype_name=request.args.kv_cache_dtype,
            deployment=deployment,
            behaviour=self.behaviour,
            profile=hardware.profile,
            policy=request.policy,
        )

    def kv_dtype(self, name: str) -> KVCacheDtype:
        """A KV cache dtype by name. Raises UnknownNameError."""
        found = self.registry.kv_dtypes.get(name)
        if found is None:
            raise UnknownNameError(kind="KV cache dtype", name=name, known=tuple(self.registry.kv_dtypes))
        return found

    def _bound(
        self, checkpoint: Checkpoint, capability: tuple[int, int], args: EngineArgs, hypothetical: bool
    ) -> Stored:
        version, method = self.behaviour.version, args.quantization
        spec = build_spec(self.registry, checkpoint, capability, version, args)
        asked = (self.registry, checkpoint, method, capability, version, spec.renames)
        supposed = False
        try:
            bound = bind_quantization(*asked)
        except QuantizationError:
            if not hypothetical or method is None or checkpoint.quantization:
                raise
            bound, supposed = bind_quantization(*asked, hypothetical=True), True
        return Stored(
            spec=spec,
            scheme=bound.scheme if bound else None,
            quantization=bound.quantization if bound else None,
            hypothetical=supposed,
            from_checkpoint=bool(checkpoint.quantization),
        )
