"""What a vendor decides: one record for each platform that vLLM runs on, and the chip that carries it to whoever asks.

Rules of NVIDIA's GPUs compare compute capabilities. A GPU of another platform has none: where a rule looks for one it finds a
`Chip`, which is neither above nor below any number, so that "at least 9.0" and "below 8.0" are both answered no; what that
platform has is asked of its record (`platform_of`). A platform that a plugin brings is asked in the same places as built-in ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vram.models.record import frozen

if TYPE_CHECKING:
    from vram.architecture.backends import AttentionTable
    from vram.models.parameters import LocalExperts
    from vram.quantization.target import Target

CUDA = "cuda"
Version = tuple[int, int, int]
_NO_NUMBER = (0, 0)


def _nothing(*_: object) -> str:
    return ""


def _never(*_: object) -> bool:
    return False


def _usual_block(*_: object) -> int:
    return 16


def _as_they_are(weights: str, shape: LocalExperts, target: Target) -> LocalExperts:
    del weights, target
    return shape


@frozen(kw_only=True)
class Devices:
    """How a container gets a platform's GPUs: what Kubernetes calls one and labels its product with, and vLLM's image without its tag.

    A compose file reserves the GPUs from the `driver` or, where it is "", hands in the `paths` (device files, "/dev/kfd"): without
    either its container gets no GPU. With `paths` the server joins the `groups` that own them, and `visible` is the variable
    that chooses among its GPUs, without which several servers cannot share a machine.
    """

    resource: str
    product_label: str
    image: str
    driver: str = ""
    paths: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    visible: str = ""


CUDA_DEVICES = Devices(
    resource="nvidia.com/gpu", product_label="nvidia.com/gpu.product", image="vllm/vllm-openai", driver="nvidia"
)


@frozen(kw_only=True, cache_hash=True)
class Matrix:
    """A loaded weight as loading sees it: what is stored, its rows and the bytes of one.

    `what` is "plain", the name of what a kernel needs ("fp8_block") or "quantized" for the rest, behind "experts_" for fused experts.
    """

    what: str
    rows: int
    row_bytes: int


@frozen(kw_only=True)
class Leftover:
    """Bytes that loading leaves on a GPU beyond the tensors: `shown` in "Model loading took", and lost `beside` it."""

    shown: int = 0
    beside: int = 0


def _nothing_left(*_: object) -> Leftover:
    return Leftover()


@frozen(kw_only=True, eq=False)
class Platform:
    """One platform besides CUDA, by its vLLM name ("rocm"). Everything but the names has a default: what vLLM does where no
    kernel repacks and no backend objects.

    - `title` names its GPUs in sentences, `runtime` is what PyTorch calls it where memory runs out, `models` says whether an
      architecture ("gfx942") is one that is known;
    - `problem` is why a quantization method ("fp8") does not run on a chip in a release, "" where it does; `cache_problem` the
      same for a KV cache dtype, `dtypes` what the GPUs compute in, preferred first;
    - `attention` its table of backends, without which blocks are of 16 tokens and nothing is refused; `forced_blocks` the block
      size of a family of layers ("plain", "latent", "sparse_latent", "compressed") in releases before 0.18;
    - `experts` the sizes in which a kernel has fused experts created, by what is stored in them ("plain", "fp8_block", "mxfp4" …;
      QuantizationError where none takes them), `experts_backend` whether `--moe-backend` may name a kernel;
    - `has` answers whether a chip has a thing by name: "fp8" blocks in Triton, "cut_groups" in packed integers;
    - `loading` is what a rank's layers leave beside their tensors: padded rows, holes in the allocator;
    - `variables` are those of the environment that decide, each with the first release that reads it and the first without;
    - `devices` says how containers get its GPUs; without it, files that start one are refused.
    """

    name: str
    title: str
    runtime: str = "CUDA"
    models: Callable[[str], bool] = bool
    problem: Callable[[Chip, str, Version], str] = _nothing
    cache_problem: Callable[[Chip, str, Version], str] = _nothing
    dtypes: tuple[str, ...] = ("bfloat16", "float16", "float32")
    attention: AttentionTable | None = None
    forced_blocks: Callable[[str, Version], int] = _usual_block
    experts: Callable[[str, LocalExperts, Target], LocalExperts] = _as_they_are
    experts_backend: Callable[[Chip, str], bool] = _never
    has: Callable[[Chip, str, Version], bool] = _never
    loading: Callable[[tuple[tuple[Matrix, ...], ...], Chip, Version], Leftover] = _nothing_left
    variables: Mapping[str, tuple[Version, Version]] = {}
    devices: Devices | None = None


class Chip(tuple[int, int]):
    """A GPU's architecture where a compute capability is asked for, on another platform than CUDA.

    `platform` is that platform's name, `architecture` the vendor's word, `record` what is known of the platform (None until a
    question is posed) and `settings` the variables of the environment that it reads, as (name, value).
    """

    platform: str
    architecture: str
    record: Platform | None
    settings: tuple[tuple[str, str], ...]

    def __new__(
        cls,
        platform: str,
        architecture: str,
        record: Platform | None = None,
        settings: tuple[tuple[str, str], ...] = (),
    ) -> Chip:
        """A chip without a number of its own."""
        self = super().__new__(cls, _NO_NUMBER)
        self.platform, self.architecture = platform, architecture
        self.record, self.settings = record, settings
        return self

    def on(self, record: Platform, environment: Mapping[str, str] | None, version: Version) -> Chip:
        """The same with its platform's record, under a server's environment."""
        read = {
            name: str(environment[name])
            for name, (since, until) in record.variables.items()
            if environment and name in environment and since <= version < until
        }
        return Chip(self.platform, self.architecture, record, tuple(sorted(read.items())))

    def setting(self, name: str) -> str:
        """The value of a variable, "" where it is not set."""
        return dict(self.settings).get(name, "")

    def has(self, what: str, version: Version) -> bool:
        """Whether it has a thing by name; nothing before its platform is known."""
        return self.record is not None and self.record.has(self, what, version)

    def _same(self) -> tuple[object, ...]:
        return self.platform, self.architecture, self.settings, id(self.record)

    def __hash__(self) -> int:
        return hash(self._same())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chip) and self._same() == other._same()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def _never(self, other: Any) -> bool:
        """Neither above nor below a compute capability."""
        del other
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never

    def __repr__(self) -> str:
        return f"{self.platform} {self.architecture}"


def platform_of(capability: tuple[int, int] | None) -> Platform | None:
    """The record of a chip's platform; None for NVIDIA's GPUs, and for a chip before a question is posed."""
    return capability.record if isinstance(capability, Chip) else None


def method_problem(capability: tuple[int, int], methods: Iterable[str], version: Version) -> str:
    """Why another platform than CUDA does not run one of these methods or kinds of weights, "" where it runs all of them."""
    platform = platform_of(capability)
    if platform is None or not isinstance(capability, Chip):
        return ""
    return next(filter(None, (platform.problem(capability, method, version) for method in dict.fromkeys(methods))), "")


def platform_name(capability: tuple[int, int] | None) -> str:
    """ "cuda", or the platform of a chip."""
    return capability.platform if isinstance(capability, Chip) else CUDA


def architecture_name(capability: tuple[int, int]) -> str:
    """ "9.0", or the vendor's word for a chip's architecture."""
    return capability.architecture if isinstance(capability, Chip) else ".".join(map(str, capability))


def architecture_words(capability: tuple[int, int]) -> str:
    """The same in a sentence: "compute capability 9.0", "architecture gfx942"."""
    kind = "architecture" if isinstance(capability, Chip) else "compute capability"
    return f"{kind} {architecture_name(capability)}"


__all__ = [
    "CUDA",
    "CUDA_DEVICES",
    "Chip",
    "Platform",
    "architecture_name",
    "architecture_words",
    "platform_name",
    "platform_of",
]
