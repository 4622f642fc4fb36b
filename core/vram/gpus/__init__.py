"""Which GPU a name, a driver or a request means, and which overhead profile goes with it."""
