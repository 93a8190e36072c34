"""From an ONNX file to a TensorRT engine, and the checks that it is what was asked for."""
