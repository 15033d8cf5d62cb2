"""What half precision would do to a network, and ATC to its file, before any NPU is touched."""
