variable "model" { default = "Qwen/Qwen3-8B" }
variable "source_of" { default = "hub" }
variable "eager" { default = true }

locals {
  path  = var.source_of == "bucket" ? "/models/${var.model}" : var.model
  eager = var.eager ? ["--enforce-eager"] : []
  words = concat(["--model", local.path, "--max-model-len", tostring(4096)], local.eager)
}

resource "google_cloud_run_v2_service" "engine" {
  template {
    node_selector { accelerator = "nvidia-l4" }
    containers {
      image = "vllm/vllm-openai:v0.11.0"
      args  = local.words
      resources { limits = { "nvidia.com/gpu" = "1" } }
    }
  }
}
