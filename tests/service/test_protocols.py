"""What machines ask: the Open Inference Protocol, figures, and the description of it all."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from colorrt.service.app import make_app

SHAPE = [2, 1, 32, 32]
LUMA = np.random.default_rng(0).uniform(0, 1, SHAPE).astype(np.float32)
PATH = "/v2/models/tiny/infer"


def request(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "luma", "datatype": "FP32", "shape": SHAPE, "data": LUMA.ravel().tolist(), **changes}
    return {"id": "7", "inputs": [{name: value for name, value in tensor.items() if value is not None}]}


def test_server_and_model_describe_themselves(live: Any) -> None:
    assert live.client.get("/v2").json()["name"] == "colorrt"
    for path in ("/v2/models/tiny", "/v2/models/tiny/versions/1"):
        table = live.client.get(path).json()
        assert table["inputs"] == [{"name": "luma", "datatype": "FP32", "shape": [-1, 1, -1, -1]}]
        assert live.client.get(f"{path}/ready").status_code == 200
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert live.client.get(path).status_code == 200
    for path in ("/v2/models/none", "/v2/models/none/ready", "/v2/models/tiny/versions/2/ready"):
        assert live.client.get(path).status_code == 404


@pytest.mark.parametrize("nested", [False, True])
def test_inference_in_json_is_the_network_itself(live: Any, colorizer: Any, nested: bool) -> None:
    answer = live.client.post(PATH, json=request(data=LUMA.tolist() if nested else LUMA.ravel().tolist()))
    table = answer.json()
    assert (answer.status_code, table["id"], table["model_name"]) == (200, "7", "tiny")
    (output,) = table["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("chroma", "FP32", [2, 2, 32, 32])
    np.testing.assert_array_equal(np.float32(output["data"]).reshape(2, 2, 32, 32), colorizer.run(LUMA))


def test_inference_in_binary_is_the_same(live: Any, colorizer: Any) -> None:
    table = request(data=None, parameters={"binary_data_size": LUMA.nbytes})
    table["outputs"] = [{"name": "chroma", "parameters": {"binary_data": True}}]
    head = json.dumps(table).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = live.client.post(PATH, content=head + LUMA.tobytes(), headers=length)
    cut = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.content[:cut])["outputs"]
    assert output["parameters"] == {"binary_data_size": 2 * LUMA.nbytes}
    np.testing.assert_array_equal(np.frombuffer(answer.content[cut:], "<f4").reshape(2, 2, 32, 32), colorizer.run(LUMA))


def test_tritons_own_client_gets_what_the_session_answers(live: Any, colorizer: Any) -> None:
    pytest.importorskip("gevent", reason="no gevent: pip install 'tritonclient[http]'")
    triton = pytest.importorskip("tritonclient.http", reason="no client: pip install 'tritonclient[http]'")
    client = triton.InferenceServerClient(f"127.0.0.1:{live.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["name"] == "colorrt"
    assert client.get_model_metadata("tiny")["outputs"][0]["name"] == "chroma"
    for binary in (True, False):
        luma = triton.InferInput("luma", SHAPE, "FP32").set_data_from_numpy(LUMA, binary_data=binary)
        asked = [triton.InferRequestedOutput("chroma", binary_data=binary)]
        answer = client.infer("tiny", [luma], outputs=asked).as_numpy("chroma")
        np.testing.assert_array_equal(answer, colorizer.run(LUMA))
    wrong = triton.InferInput("x", [1], "FP32").set_data_from_numpy(np.zeros(1, np.float32))
    with pytest.raises(Exception, match=r"^.400. the input is 'luma' of datatype FP32$"):
        client.infer("tiny", [wrong])
    client.close()


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"\xff", b'{"inputs": []}', b'{"inputs": [1]}', b"[" * 50_000,
        *(json.dumps(request(**changes)).encode() for changes in (
            {"name": "x"}, {"datatype": "INT8"}, {"shape": [1, 1, 32]}, {"shape": [1, 1, 32, 16]}, {"shape": "x"},
            {"shape": [10**9, 1, 1024, 1024]}, {"shape": [1, 1, 33, 33]}, {"shape": [True, 1, 32, 32]}, {"data": "x"},
            {"data": [[1], [2, 3]]}, {"data": [None]}, {"data": [1.0]}, {"data": {"a": 1}}, {"data": None},
            {"data": [1e300] * 2048}, {"parameters": {"binary_data_size": -4}},
            {"parameters": {"binary_data_size": "x"}},
        )),
        json.dumps({**request(), "outputs": [{"name": "x"}]}).encode(),
        json.dumps({**request(), "outputs": 3}).encode(),
    ],
)  # fmt: skip
def test_inference_requests_that_are_none_are_refused(live: Any, body: bytes) -> None:
    answer = live.client.post(PATH, content=body)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["detail"]
    assert answer.json()["error"] == answer.json()["detail"]
    for length in ("-1", "x", "99999999", "1"):
        headers = {"Inference-Header-Content-Length": length}
        assert live.client.post(PATH, content=body, headers=headers).status_code == 400


def test_metrics_are_in_the_format_of_prometheus(live: Any) -> None:
    live.client.get("/secret-name")
    text = live.client.get("/metrics").text
    line = re.compile(r'#\s(HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+')
    assert all(line.fullmatch(one) for one in text.splitlines())
    assert 'colorrt_requests_total{path="other",status="404"}' in text
    assert "secret-name" not in text
    counts = [int(count) for count in re.findall(r"picture_seconds_bucket.* (\d+)", text)]
    assert counts == sorted(counts)


def test_the_description_names_every_route_and_every_route_is_described(live: Any) -> None:
    table = live.client.get("/openapi.json").json()
    assert table["openapi"] == "3.1.0"
    described = {
        (path, method.upper()) for path, item in table["paths"].items() for method in item if method in ("get", "post")
    }
    guards: Any = make_app(live.service)
    routes = {(route.path, method) for route in guards._app.routes for method in route.methods - {"HEAD"}}
    assert described == routes
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(table))
    for reference in set(references):
        place = table
        for name in reference.split("/"):
            place = place[name]


def test_answers_have_the_statuses_and_kinds_that_are_described(live: Any) -> None:
    table = live.client.get("/openapi.json").json()
    values = {"{model}": "tiny", "{version}": "1", "{name}": "app.js"}
    for path, item in table["paths"].items():
        real = path
        for name, value in values.items():
            real = real.replace(name, value)
        for method in ("get", "post"):
            if method not in item:
                wrong = live.client.request(method, real)
                assert wrong.status_code == 405
                continue
            for body in (b"", b"nothing", b"{}") if method == "post" else (None,):
                answer = live.client.request(method, real, content=body)
                found = item[method]["responses"][str(answer.status_code)]
                kind = answer.headers["content-type"].partition(";")[0]
                assert kind in found["content"] or "*/*" in found["content"], real
