variable "model" {
  type    = string
  default = "Qwen/Qwen3-32B"
}

locals {
  gpus = 4
}

resource "kubernetes_deployment" "llm" {
  metadata {
    name = "llm"
  }
  spec {
    template {
      spec {
        node_selector = {
          "cloud.google.com/gke-accelerator" = "nvidia-l4"
        }
        container {
          name  = "vllm"
          image = "vllm/vllm-openai:v0.9.2"
          args  = ["--model", var.model, "--tensor-parallel-size", "${local.gpus}"]
          env {
            name  = "HF_HOME"
            value = "/data"
          }
          resources {
            limits = {
              "nvidia.com/gpu" = local.gpus
            }
          }
        }
      }
    }
  }
}
