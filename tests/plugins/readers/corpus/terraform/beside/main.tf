resource "aws_instance" "one" {
  instance_type = "g6e.12xlarge"
  user_data     = file("./start.sh")
}
