"""Networks that are ready to run: ONNX Runtime on CPUs and CUDA, TensorRT on NVIDIA GPUs, behind one protocol."""
