"""How vLLM behaves, by version: facts and formulas read from its wheels."""
