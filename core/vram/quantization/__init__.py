"""What quantization schemes are made of, for built-in plugins and others alike.

- `block`: typed access to a checkpoint's quantization block; every wrong value is a QuantizationError.
- `names`: which modules a list of names, substrings, wildcards or regular expressions means.
- `target`: the GPU and the vLLM version, which decide the kernels and what stays after loading.
- `kernels`, `marlin`: what a kernel leaves of the stored tensors.
- `unquantized`, `packed_int`, `fp8`, `int8`, `nvfp4`, `microscaling`, `online`: formats, tensor by tensor.
- `rules`: a Quantization made of one format and a skip rule.
- `stored`: what the safetensors headers show as quantized.
- `resolve`: which scheme reads a checkpoint, as vLLM decides it.
"""
