module "chat" {
  source        = "../../"
  instance_type = "g6.xlarge"
  model         = "openai/gpt-oss-20b"
  vllm_version  = "v0.10.1"
}

module "network" {
  source    = "./network"
  vllm_port = 8000
}
