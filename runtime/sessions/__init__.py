"""Networks that are ready to run behind one protocol: ONNX Runtime on CPUs and CUDA, OpenVINO on CPUs, TensorRT."""
