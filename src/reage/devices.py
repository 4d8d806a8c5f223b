"""Where networks are computed: the devices that the execution providers of ONNX Runtime stand for."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reage.assets import asset
from reage.errors import ReageError

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""What ONNX Runtime calls each device besides the CPU, in the order in which ``auto`` looks for them."""
CPU, _CPU_PROVIDER = "cpu", "CPUExecutionProvider"
DEVICES = ("auto", CPU, *PROVIDERS)
"""What can be asked for."""
DEVICE_VARIABLE = "REAGE_DEVICE"
"""The environment variable that says what is used where nothing is asked for."""


@dataclass(frozen=True)
class Device:
    """The device that networks are computed on."""

    name: str
    """``cpu``, or a key of `PROVIDERS`."""
    note: str = ""
    """Why it is not the one that was asked for, in one line; empty where it is."""

    @property
    def providers(self) -> list[str]:
        """The execution providers to name to ONNX Runtime; what the first cannot compute, the CPU does."""
        return [_CPU_PROVIDER] if self.name == CPU else [PROVIDERS[self.name], _CPU_PROVIDER]


def find_device(asked: str | None = None) -> Device:
    """The device for ``asked``, one of `DEVICES`, or the CPU where ONNX Runtime has no such device here.

    ``auto`` is the first of `PROVIDERS` that there is, else the CPU. None asks for what the environment variable
    ``REAGE_DEVICE`` names, and without that for the CPU. Raises `ReageError` for another name.
    """
    name = asked or os.environ.get(DEVICE_VARIABLE, "").strip() or CPU
    if name not in DEVICES:
        raise ReageError(f"unknown device '{name}'; choose one of {', '.join(DEVICES)}")
    if name == CPU:
        return Device(CPU)
    for candidate in PROVIDERS if name == "auto" else (name,):
        if _answers(PROVIDERS[candidate]):
            return Device(candidate)
    if name == "auto":
        return Device(CPU)
    return Device(CPU, f"ONNX Runtime has no device '{name}' here; the CPU is used")


def _answers(provider: str) -> bool:
    """Whether a network can really be opened with ``provider``: a driver may be missing where the code is there."""
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        return False
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(asset("selfie_mask.onnx")), options, providers=[provider, _CPU_PROVIDER]
        )
    except Exception:  # ONNX Runtime raises many types, none of them documented
        return False
    return bool(session.get_providers()[0] == provider)
