"""What an ONNX file says and means; nothing here runs it."""
