locals {
  kind = "g5.12xlarge"
}

module "machines" {
  source        = "terraform-aws-modules/autoscaling/aws"
  instance_type = local.kind
}

module "service" {
  source = "terraform-aws-modules/ecs/aws//modules/service"
  container_definitions = {
    llm = {
      image                 = "vllm/vllm-openai:v0.11.0"
      command               = ["--model", "Qwen/Qwen3-14B", "--tensor-parallel-size", "4"]
      resource_requirements = [{ type = "GPU", value = 4 }]
    }
  }
}

resource "helm_release" "stack" {
  chart = "vllm-stack"
  values = [<<-EOT
    servingEngineSpec:
      modelSpec:
        - name: qwen
          repository: vllm/vllm-openai
          tag: v0.11.0
          modelURL: Qwen/Qwen3-8B
          requestGPU: 1
  EOT
  ]
  set {
    name  = "servingEngineSpec.modelSpec[0].modelURL"
    value = "Qwen/Qwen3-4B"
  }
  set {
    name  = "servingEngineSpec.modelSpec[0].vllmConfig.maxModelLen"
    value = "8192"
  }
}
