from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colorrt.contract import NOT_YET_RUN, Contract, Engine
from colorrt.errors import ArtifactError, UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.triton import make_config, write_repository

PLAIN = Contract("tiny", None, "fp32", "plain", (1, None), 1.0, "0" * 64, 18, "tests")


def parsed(text: str) -> Any:
    """The text as protocol buffers read it, with those fields of Triton's model_config.proto that are written here."""
    text_format = pytest.importorskip("google.protobuf.text_format")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto

    def add(name: str, /, **fields: tuple[Any, bool]) -> None:
        message = file.message_type.add(name=name)
        for number, (field, (kind, repeated)) in enumerate(fields.items(), 1):
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if isinstance(kind, str):
                is_enum = kind.isupper()
                kind_of = kinds.TYPE_ENUM if is_enum else kinds.TYPE_MESSAGE
                message.field.add(name=field, number=number, type=kind_of, type_name=f".inference.{kind}", label=label)
            else:
                message.field.add(name=field, number=number, type=kind, label=label)

    for name, values in (("DATATYPE", ("TYPE_INVALID", "TYPE_FP32")), ("KIND", ("KIND_AUTO", "KIND_GPU"))):
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    string, int32, int64 = kinds.TYPE_STRING, kinds.TYPE_INT32, kinds.TYPE_INT64
    add("Tensor", name=(string, False), data_type=("DATATYPE", False), dims=(int64, True))
    add("Batching", max_queue_delay_microseconds=(kinds.TYPE_UINT64, False))
    add("Group", count=(int32, False), kind=("KIND", False))
    add("Latest", num_versions=(kinds.TYPE_UINT32, False))
    add("Policy", latest=("Latest", False))
    add("Value", string_value=(string, False))
    add("Entry", key=(string, False), value=("Value", False))
    add(
        "Config", name=(string, False), platform=(string, False), max_batch_size=(int32, False),
        input=("Tensor", True), output=("Tensor", True), dynamic_batching=("Batching", False),
        instance_group=("Group", True), version_policy=("Policy", False), parameters=("Entry", True),
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    config = message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.Config"))()
    text_format.Parse(text, config)
    return config


def test_tritons_own_schema_takes_every_field(tiny_onnx: Path, tmp_path: Path) -> None:
    client = pytest.importorskip("tritonclient", reason="no tritonclient: pip install tritonclient")
    text_format = pytest.importorskip("google.protobuf.text_format")
    # By its path: the package around it imports grpc, which the messages do without.
    path = Path(client.__path__[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("tritons_model_config", path)
    assert spec is not None
    assert spec.loader is not None
    messages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(messages)
    place = write_repository(tiny_onnx, tmp_path)
    config = text_format.Parse((place / "config.pbtxt").read_text(), messages.ModelConfig())
    assert (config.name, config.platform, config.max_batch_size) == ("tiny", "onnxruntime_onnx", 8)
    for tensors, name, channels in ((config.input, "luma", 1), (config.output, "chroma", 2)):
        assert [(one.name, one.data_type, list(one.dims)) for one in tensors] == [
            (name, messages.DataType.Value("TYPE_FP32"), [channels, -1, -1])
        ]
    assert config.dynamic_batching.max_queue_delay_microseconds == 5000
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, messages.ModelInstanceGroup.Kind.Value("KIND_AUTO"))
    assert config.version_policy.latest.num_versions == 1
    assert config.parameters["colorrt"].string_value == read_artifact(tiny_onnx).contract.to_json()
    engine = Engine("tensorrt", "10.3", ("8.6",), None, NOT_YET_RUN, 4)
    text_format.Parse(make_config("x", replace(PLAIN, engine=engine)), messages.ModelConfig())


def test_the_repository_has_what_triton_looks_for(tiny_onnx: Path, tmp_path: Path) -> None:
    place = write_repository(tiny_onnx, tmp_path / "models")
    assert place == tmp_path / "models" / "tiny"
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*")) == [
        "1",
        "1/model.onnx",
        "config.pbtxt",
    ]
    assert (place / "1" / "model.onnx").read_bytes() == tiny_onnx.read_bytes()
    config = parsed((place / "config.pbtxt").read_text())
    assert (config.name, config.platform, config.max_batch_size) == ("tiny", "onnxruntime_onnx", 8)
    assert [(one.name, list(one.dims)) for one in config.input] == [("luma", [1, -1, -1])]
    assert [(one.name, list(one.dims)) for one in config.output] == [("chroma", [2, -1, -1])]
    assert config.dynamic_batching.max_queue_delay_microseconds == 5000
    (entry,) = config.parameters
    assert entry.value.string_value == read_artifact(tiny_onnx).contract.to_json()


def test_sizes_and_batches_are_those_of_the_contract() -> None:
    config = parsed(make_config("x", replace(PLAIN, render_factor=35, batch=(1, 1))))
    assert list(config.input[0].dims) == [1, 560, 560]
    assert config.max_batch_size == 1
    assert not config.HasField("dynamic_batching")


def test_what_cannot_be_written_is_told(tiny_onnx: Path, tmp_path: Path) -> None:
    write_repository(tiny_onnx, tmp_path)
    with pytest.raises(UsageError, match="there already; --overwrite"):
        write_repository(tiny_onnx, tmp_path)
    write_repository(tiny_onnx, tmp_path, overwrite=True)
    with pytest.raises(UsageError, match="letters, digits"):
        write_repository(tiny_onnx, tmp_path, "../up")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be made"):
        write_repository(tiny_onnx, tmp_path / "file")
    (tmp_path / "no.onnx").write_bytes(b"no")
    with pytest.raises(ArtifactError):
        write_repository(tmp_path / "no.onnx", tmp_path / "other")
