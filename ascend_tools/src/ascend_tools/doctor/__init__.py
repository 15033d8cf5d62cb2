"""What a machine has and lacks for the way to the NPU."""
