resource "google_cloud_run_v2_service" "llm" {
  template {
    node_selector {
      accelerator = "nvidia-l4"
    }
    containers {
      image = "vllm/vllm-openai:v0.10.0"
      args  = ["--model=Qwen/Qwen3-4B", "--max-model-len=4096"]
      resources {
        limits = { "nvidia.com/gpu" = "1" }
      }
    }
  }
}

resource "google_compute_instance" "vm" {
  machine_type = "a2-highgpu-1g"
  metadata = {
    startup-script = templatefile("${path.module}/start.sh.tftpl", { model = "Qwen/Qwen3-8B" })
  }
}

resource "kubectl_manifest" "pod" {
  yaml_body = <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: llm
      image: vllm/vllm-openai:v0.9.0
      args: ["--model", "Qwen/Qwen3-0.6B"]
YAML
}

resource "aws_ecs_task_definition" "tgi" {
  container_definitions = jsonencode([
    { name = "tgi", image = "ghcr.io/huggingface/text-generation-inference:3", command = ["--model-id", var.x] },
  ])
}
