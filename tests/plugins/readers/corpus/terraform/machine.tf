variable "hf_token" {
  sensitive = true
}

resource "aws_instance" "gpu" {
  ami           = data.aws_ami.dl.id
  instance_type = "g5.12xlarge"
  user_data     = <<-EOF
    #!/bin/bash
    # it's run once
    docker run -d --gpus all \
      -e HF_TOKEN=${var.hf_token} \
      vllm/vllm-openai:v0.8.5 \
      --model mistralai/Mistral-Small-24B-Instruct-2501 --tensor-parallel-size 4
  EOF
  tags = {
    Name = "vllm"
  }
}
