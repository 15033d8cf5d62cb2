"""The files that the NPU's tools read and write, and nothing that runs them."""
