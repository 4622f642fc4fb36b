"""Other engines and other devices, as images, programs, resources, variables and flags give them away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vram.models.deployment_reader import FoundServer
from vram.models.record import evolve

#: engine · what its images are called · what its programs and modules are called
_ENGINES = (
    ("SGLang", r"sglang", r"sglang(?:\.|$|-router)"),
    (
        "Text Generation Inference",
        r"text-generation-inference|/tgi\b|huggingface-pytorch-tgi",
        r"text-generation-(?:launcher|server)",
    ),
    ("Text Embeddings Inference", r"text-embeddings-inference", r"text-embeddings-router"),
    ("NVIDIA NIM", r"nvcr\.io/nim/", r"^$"),
    ("TensorRT-LLM", r"tensorrt[-_]?llm|trt-?llm|tritonserver:.*trtllm", r"trtllm-|tensorrt_llm|dynamo\.trtllm"),
    ("Triton", r"tritonserver", r"tritonserver"),
    ("llama.cpp", r"llama[.-]?cpp|llamafile|llama-server", r"llama-server|llama_cpp|llamafile"),
    ("Ollama", r"(?:^|/)ollama\b", r"^ollama$"),
    ("LMDeploy", r"lmdeploy", r"^lmdeploy"),
    ("Aphrodite", r"aphrodite", r"aphrodite"),
    ("LoRAX", r"predibase/lorax", r"lorax-launcher"),
    ("Infinity", r"michaelf34/infinity|infinity-emb", r"infinity_emb"),
    ("Xinference", r"xinference", r"xinference"),
    ("MLC LLM", r"mlc[-_]llm", r"mlc_llm"),
    ("LocalAI", r"localai", r"local-?ai"),
    ("OpenVINO Model Server", r"openvino/model_server|openvino.*model.?server", r"^ovms$"),
    ("DJL Serving", r"djl-(?:inference|serving)|deepjavalibrary", r"djl-serving"),
    ("TorchServe", r"torchserve", r"torchserve"),
    ("Tabby", r"tabbyml", r"^tabby$"),
    ("DeepSpeed-FastGen", r"deepspeed-mii", r"^mii\."),
    ("faster-whisper", r"faster-?whisper|speaches", r"faster_whisper"),
    ("ATOM", r"(?:rocm|amd).*\batom\b", r"^atom\."),
    (
        "a simulator of vLLM",
        r"inference-sim\b|vllm-sim\b|mock-?vllm|vllm-mock|fake-?vllm",
        r"inference-sim|fake.?openai",
    ),
)
_TPU, _GAUDI, _ASCEND = "Google TPUs", "Intel Gaudi", "Huawei Ascend NPUs"
_NEURON, _XPU, _CPU = "AWS Neuron", "Intel GPUs (XPU)", "the CPU"
_AMD, _SPYRE, _MLU, _APPLE = "AMD GPUs (ROCm)", "IBM Spyre", "Cambricon MLUs", "Apple GPUs (vLLM Metal)"
_OTHERS = ("MetaX GPUs", "Moore Threads GPUs", "Iluvatar GPUs", "Kunlun XPUs", "Furiosa NPUs", "Rebellions NPUs")
_METAX, _MUSA, _ILUVATAR, _KUNLUN, _FURIOSA, _RBLN = _OTHERS
_OPENVINO = "OpenVINO"
_BIREN, _HYGON, _ENFLAME, _PPU = "Biren GPUs", "Hygon DCUs", "Enflame GCUs", "T-Head PPUs"
#: device · images that are built for it
_IMAGES = (
    (_TPU, r"vllm-tpu|-tpu(?:-|:|$)|tpu-inference|/tpu/"),
    (_GAUDI, r"gaudi|habana|-hpu\b"),
    (_ASCEND, r"ascend|[-:/]npu\b|mindie"),
    (_NEURON, r"neuron"),
    (_OPENVINO, r"vllm[-_]openvino"),
    (_XPU, r"[-:/]xpu\b|intel/(?:vllm|llm-scaler|ipex)|ipex-llm"),
    (
        _CPU,
        r"(?:^|/)opea/vllm(?::|$)|vllm-(?:openai-)?cpu\b|vllm[-_]cpu[-_]|-cpu(?::|-release|$)|[-:]cpu(?:-|$)",
    ),
    (_AMD, r"rocm|amdgpu|[-:]mi3\d\d"),
    (_SPYRE, r"spyre"),
    (_METAX, r"metax|maca\b"),
    (_MUSA, r"musa\b|mthreads"),
    (_ILUVATAR, r"iluvatar|corex"),
    (_KUNLUN, r"kunlun"),
    (_FURIOSA, r"furiosa"),
    (_RBLN, r"rebellions|rbln"),
    (_BIREN, r"biren"),
    (_HYGON, r"hygon|[-:/]dcu\b|[-_]dtk"),
    (_ENFLAME, r"enflame|[-:/]gcu\b"),
    (_PPU, r"[-:/]ppu\b"),
    (_APPLE, r"vllm[-_]metal"),
)
#: device · resources of Kubernetes and device files, labels of nodes and accelerators of other tools
_RESOURCES = (
    (_TPU, r"google\.com/tpu|gke-tpu|^tpu|/dev/(?:accel|vfio)|^tpu-"),
    (_GAUDI, r"habana\.ai/|/dev/(?:accel/accel_controlD|hl\d)|^gaudi|runtime:habana"),
    (_ASCEND, r"huawei\.com/|ascend|/dev/davinci"),
    (_NEURON, r"aws\.amazon\.com/neuron|/dev/neuron|^inf\d|^trn\d|inferentia|trainium"),
    (_CPU, r"^device:cpu$"),
    (_AMD, r"amd\.com/gpu|/dev/kfd|^mi\d{3}|amd-?instinct|^amd-gpu"),
    (_XPU, r"gpu\.intel\.com/|/dev/dri/renderD|/dev/dri$|/dev/dri:"),
    (_SPYRE, r"ibm\.com/spyre"),
    (_MLU, r"cambricon\.com/"),
    (_METAX, r"metax-tech\.com/"),
    (_MUSA, r"mthreads\.com/"),
    (_ILUVATAR, r"iluvatar\.(?:ai|com)/"),
    (_KUNLUN, r"kunlunxin\.com/|baidu\.com/"),
    (_FURIOSA, r"furiosa\.ai/"),
    (_RBLN, r"rebellions\.ai/"),
    (_BIREN, r"biren"),
    (_HYGON, r"hygon\.com/|/dev/mkfd"),
    (_ENFLAME, r"enflame|/dev/gcu"),
    (_PPU, r"\.com/ppu|/dev/alixpu"),
    (_CPU, r"^machine without gpus$"),
)
#: images for processors that vLLM was long built for without GPUs: what asks for a GPU has one all the same
_WITHOUT_GPUS = re.compile(r"vllm-(?:arm64|ppc64le|s390x)")
#: stands among the devices of what is placed on machines without any GPU
NO_GPUS = "machine without gpus"
_VARIABLES = (
    (_TPU, r"PJRT_DEVICE=TPU|TPU_(?:WORKER|ACCELERATOR|CHIPS)\w*=.*|VLLM_TPU_\w+=.*|VLLM_XLA_(?!CACHE_PATH)\w+=.*"),
    (_GAUDI, r"HABANA_VISIBLE_(?:DEVICES|MODULES)=.*|PT_HPU_\w+=.*|VLLM_(?:PROMPT|DECODE)_BS_BUCKET_\w+=.*"),
    (_ASCEND, r"ASCEND_(?:RT_)?VISIBLE_DEVICES=.*|VLLM_ASCEND_\w+=.*|HCCL_\w+=.*"),
    (_NEURON, r"NEURON_\w+=.*"),
    (_OPENVINO, r"VLLM_OPENVINO_\w+=.*"),
    (_XPU, r"ZE_AFFINITY_MASK=.*|ONEAPI_DEVICE_SELECTOR=.*"),
    (_CPU, r"VLLM_CPU_(?:KVCACHE_SPACE|OMP_THREADS_BIND)=(?!0$).+|VLLM_TARGET_DEVICE=cpu"),
    (_BIREN, r"SUPA_VISIBLE_DEVICES=.*|VLLM_BR_\w+=.*|BRTB_\w+=.*"),
    (_MUSA, r"(?:MTHREADS|MUSA)_VISIBLE_DEVICES=.*"),
    (_ENFLAME, r"TOPS_VISIBLE_DEVICES=.*"),
    (_MLU, r"MLU_VISIBLE_DEVICES=.*"),
    (_KUNLUN, r"XPU_VISIBLE_DEVICES=.*"),
    (_APPLE, r"VLLM_METAL_\w+=.*|VLLM_MLX_\w+=.*"),
    (_AMD, r"(?:HIP|ROCR)_VISIBLE_DEVICES=.+|HSA_\w+=.*|VLLM_ROCM_USE_\w+=(?:1|[Tt]rue)|VLLM_TARGET_DEVICE=rocm"),
)
_FLAGS = {"tpu": _TPU, "hpu": _GAUDI, "npu": _ASCEND, "neuron": _NEURON, "xpu": _XPU, "cpu": _CPU, "rocm": _AMD}
#: checkpoints of Apple's MLX, which no other vLLM loads, and where vLLM Metal is installed
_APPLE_WORDS = re.compile(r"mlx-community/.*|.*[-_./]vllm[-_]metal(?:[-_./].*)?")
_VLLM = re.compile(r"vllm|/llm-d(?:-(?:cuda|aws|gke|gb200|dev|rocm|xpu|hpu|cpu))?$", re.IGNORECASE)
_BESIDE_VLLM = re.compile(
    r"router|exporter|benchmark|gateway|dashboard|sidecar|operator|epp\b|lora-?adapter|guidellm|\bsim\b|simulator|mock|fake",
    re.IGNORECASE,
)
#: vLLM's own images, and mirrors that keep the name; a vendor's tag (`lmcache/vllm-openai`) is the vendor's version
_OWN_IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)*(?:vllm/)?vllm-openai(?:-rocm)?(?::[\w.-]+)?(?:@[\w:]+)?")
#: devices that are modelled, by the platform they are of
_MODELLED = {_AMD: "rocm"}


def is_vllm_image(image: str | None) -> bool:
    """Whether an image holds a vLLM server, by its name without the tag."""
    name = _name(image)
    return bool(_VLLM.search(name)) and not _BESIDE_VLLM.search(name)


def is_own_image(image: str | None) -> bool:
    """Whether an image is vLLM's own."""
    return _OWN_IMAGE.fullmatch(image or "") is not None


def _name(image: str | None) -> str:
    return re.sub(r":[^/:]*$", "", (image or "").split("@")[0])


def engine_of(image: str | None, words: Sequence[str]) -> str | None:
    """Another engine that a container runs; None where it is vLLM or nothing known."""
    names = [word.rsplit("/", 1)[-1] for word in words if not word.startswith("-")][:4]
    for engine, _, programs in _ENGINES:
        if any(re.search(programs, name) for name in names if name):
            return engine
    held = (image or "").lower()
    return next((engine for engine, images, _ in _ENGINES if re.search(images, held)), None) if held else None


def device_of(
    image: str | None, words: Sequence[str], environment: Mapping[str, str], devices: Iterable[str]
) -> str | None:
    """A device other than an NVIDIA GPU that a container is for; None where nothing says so."""
    held = (image or "").lower()
    of_image = next((device for device, images in _IMAGES if re.search(images, held)), None) if held else None
    if of_image:
        return of_image
    asked = _asked_by_flag(words)
    if asked:
        return asked
    named = [device.lower() for device in devices]
    if any("nvidia" in device for device in named):
        return None
    if _WITHOUT_GPUS.search(held):
        return _CPU
    for known, resources in _RESOURCES:
        if any(re.search(resources, device) for device in named):
            return known
    if any(map(_APPLE_WORDS.fullmatch, words)):
        return _APPLE
    pairs = [f"{name}={value}" for name, value in environment.items()]
    return next((known for known, names in _VARIABLES if any(re.fullmatch(names, p) for p in pairs)), None)


def _asked_by_flag(words: Sequence[str]) -> str | None:
    """The device of `--device`, which is right whatever the container gets besides."""
    for index, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag == "--device":
            return _FLAGS.get(value or (words[index + 1] if index + 1 < len(words) else ""))
    return None


def platform_of(device: str | None) -> str:
    """The platform of a device that is modelled, "" for NVIDIA's and for those that are not."""
    return _MODELLED.get(device or "", "")


def runs_on(device: str) -> str:
    """The problem of a server on another device, as the rest of a sentence."""
    if platform_of(device):
        return f"runs on {device}, which are not read from this kind of file"
    return f"runs on {device}, which {'are' if device.endswith(('s', ')')) else 'is'} not modelled"


#: names of files and folders that are for one device: `run-xpu-test.sh`, `Dockerfile.rocm`, `AMD/Qwen3.md`
_NAMED = re.compile(
    r"(?:^|[-_./])(rocm|amd(?!64)|mi[23]\d\dx?|xpu|hpu|gaudi\d?|npu|ascend|tpu|neuron|xeon)(?=[-_./\d]|$)",
    re.IGNORECASE,
)
_NAMES = {
    "rocm": _AMD,
    "amd": _AMD,
    "xpu": _XPU,
    "hpu": _GAUDI,
    "npu": _ASCEND,
    "ascend": _ASCEND,
    "tpu": _TPU,
    "neuron": _NEURON,
    "xeon": _CPU,
}


def device_named(path: str) -> str | None:
    """The device that the name of a file, or of its folder, says it is for; None where it names none or several, or NVIDIA's."""
    parts = "/".join(path.rsplit("/", 2)[-2:])
    words = {match[1].lower() for match in _NAMED.finditer(parts)}
    found = {_AMD if w.startswith("mi") else _GAUDI if w.startswith("gaudi") else _NAMES[w] for w in words}
    return found.pop() if len(found) == 1 and not re.search(r"cuda|nvidia", parts, re.IGNORECASE) else None


def on_named_device(path: str, servers: Iterable[FoundServer]) -> Iterator[FoundServer]:
    """Servers of a file, those of vLLM refused where its name says that they are for another device."""
    device = device_named(path)
    for server in servers:
        if device is None or server.status == "not_vllm" or server.gpu is not None:
            yield server
        elif platform_of(device):
            yield evolve(server, platform=platform_of(device))
        else:
            yield evolve(server, status="not_vllm", words=(), problem=runs_on(device))
