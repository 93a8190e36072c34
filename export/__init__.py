"""From a checkpoint to an artifact: network, ONNX graph, checks, contract."""
