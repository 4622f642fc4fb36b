# Databricks notebook source
# MAGIC %pip install vllm==0.11.0

# COMMAND ----------

!vllm serve Qwen/Qwen3-8B --dtype half
