"""Networks that are ready to run: ONNX Runtime on CPUs and CUDA, OpenVINO on CPUs, TensorRT on NVIDIA GPUs, behind one protocol."""
