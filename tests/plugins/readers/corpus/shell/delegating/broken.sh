#!/bin/bash
vllm serve ./models/a\ 
    --dtype float16 \
    --gpu-memory-utilization 0.85
