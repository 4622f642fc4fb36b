"""Built-in quantization schemes, one module each."""
