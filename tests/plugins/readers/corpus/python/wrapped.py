from langchain_community.llms import VLLM

answer = VLLM(
    model="tiiuae/falcon-7b-instruct",
    tensor_parallel_size=2,
    max_new_tokens=64,
    temperature=0.1,
    vllm_kwargs={"max_model_len": 1024, "quantization": "fp8"},
)
