#!/bin/sh
exec vllm serve "$MODEL" --max-model-len "${LENGTH:-4096}"
