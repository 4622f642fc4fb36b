#!/bin/bash
export CUDA_VISIBLE_DEVICES=$2
exec vllm serve "$1" -tp 2
