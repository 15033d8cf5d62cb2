"""From a published checkpoint to an ONNX file."""
