"""An ONNX graph read into a TensorRT network, with the parser's refusals as sentences."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from colorrt.errors import ExportError
from colorrt.export.engine.messages import forget, logger, reason, tidy

# What the parser's codes mean for the person who exported the graph.
UNSUPPORTED = {
    "UNSUPPORTED_NODE": "TensorRT has no such operator",
    "UNSUPPORTED_NODE_ATTR": "TensorRT does not support one of its attributes",
    "UNSUPPORTED_NODE_INPUT": "TensorRT does not support one of its inputs",
    "UNSUPPORTED_NODE_DATATYPE": "TensorRT does not support the type of its data",
    "UNSUPPORTED_NODE_DYNAMIC": "TensorRT supports it with fixed sizes only",
    "UNSUPPORTED_NODE_SHAPE": "TensorRT does not support these shapes",
}
ADVICE = {
    "UNSUPPORTED_NODE_DYNAMIC": "export the network with --render-factor N, for one size",
    "UNSUPPORTED_NODE_DATATYPE": "build it with another --precision",
}
# Assertions that say nothing more than that they failed.
EMPTY = {"", "false"}


def parse_network(module: ModuleType, builder: Any, graph: bytes) -> Any:
    """Read a serialized ONNX model into a strongly typed network of `builder`: its types are those of the graph.

    Raises ExportError that names the node, its operator, the reason and what to do, when the parser refuses it.
    """
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    forget(module)
    parser = module.OnnxParser(network, logger(module)[0])
    if not parser.parse(graph):
        raise ExportError(_refusal(parser) if parser.num_errors else f"TensorRT cannot read it: {reason(module)}")
    return network


def _refusal(parser: Any) -> str:
    error = parser.get_error(0)
    code = error.code().name
    description = tidy(error.desc()).removeprefix("Assertion failed:").strip()
    if code == "MODEL_DESERIALIZE_FAILED":
        return f"TensorRT cannot read the graph ({description}); the file is damaged: copy or export it again"
    where = f"node {error.node_name() or error.node()!r} ({error.node_operator()})"
    why = UNSUPPORTED.get(code)
    if "Plugin not found" in description:
        why, description = "it is neither an ONNX operator that TensorRT has nor a plugin that is installed", ""
    details = "" if description in EMPTY else description
    said = ": ".join(part for part in (why, details) if part) or code.replace("_", " ").lower()
    more = parser.num_errors - 1
    others = f"; {more} more {'node is' if more == 1 else 'nodes are'} refused" if more else ""
    advice = ADVICE.get(code, "export the network again with 'colorrt export --target tensorrt', or upgrade TensorRT")
    return f"TensorRT refuses {where}: {said}{others}; {advice}"
