"""Ways out of a deployment that does not start or does not fit, each asked and answered before it is named."""
