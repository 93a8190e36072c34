"""Which session an artifact gets."""

from __future__ import annotations

from colorrt.contract import Device
from colorrt.runtime.artifact import Artifact, Kind
from colorrt.runtime.sessions.session import Session, SessionOptions


def open_session(artifact: Artifact, options: SessionOptions | None = None) -> Session:
    """Open a session on `artifact`.

    Raises BackendError when what it needs is not there: nothing else is taken silently instead.
    """
    options = options or SessionOptions()
    if artifact.kind is Kind.ENGINE:
        from colorrt.runtime.sessions.tensorrt import TensorRtSession

        return TensorRtSession(artifact, options)
    if options.device == Device.OPENVINO:
        from colorrt.runtime.sessions.openvino import OpenVinoSession

        return OpenVinoSession(artifact, options)
    from colorrt.runtime.sessions.ort import OrtSession

    return OrtSession(artifact, options)
