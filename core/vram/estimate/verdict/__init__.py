"""Last: whether it starts, whether it fits, and the formulas with their values."""
