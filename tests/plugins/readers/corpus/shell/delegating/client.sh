#!/bin/bash
export VLLM_BASE_URL=http://localhost:8000/v1
python ask.py
