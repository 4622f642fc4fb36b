locals {
  flags = ["--max-model-len", "4096"]
}

resource "null_resource" "one" {
  provisioner "remote-exec" {
    inline = ["vllm serve Qwen/Qwen3-8B ${join(" ", local.flags)}", "vllm serve Qwen/Qwen3-4B ${var.more}"]
  }
}
