"""A network in the precision of another runtime or of an NPU beside float32: how far it is off, and which nodes do it."""
