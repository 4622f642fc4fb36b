#!/bin/bash
vllm serve "${MODEL:?name one}" --max-num-seqs 4
