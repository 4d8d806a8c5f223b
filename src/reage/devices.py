"""The devices that can run networks, each an execution provider of ONNX Runtime."""

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
"""The execution provider of each device but the CPU, in the order in which ``auto`` tries them."""
CPU, _CPU_PROVIDER = "cpu", "CPUExecutionProvider"
DEVICES = ("auto", CPU, *PROVIDERS)
"""Names that can be asked for."""
DEVICE_VARIABLE = "REAGE_DEVICE"
"""The environment variable with the default device."""


@dataclass(frozen=True)
class Device:
    """The device that runs the networks."""

    name: str
    """``cpu``, or a key of `PROVIDERS`."""
    note: str = ""
    """Why it is not the one that was asked for, in one line; else empty."""

    @property
    def providers(self) -> list[str]:
        """The execution providers for ONNX Runtime; the CPU runs what the first one cannot."""
        return [_CPU_PROVIDER] if self.name == CPU else [PROVIDERS[self.name], _CPU_PROVIDER]


def find_device(asked: str | None = None) -> Device:
    """The device named ``asked``, one of `DEVICES`, or the CPU if that device is not available.

    ``auto`` is the first of `PROVIDERS` that is available, else the CPU. None is the device in the environment variable
    ``REAGE_DEVICE``, or else the CPU. Raises `ReageError` for an unknown name.
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
    """Whether a network can really be opened with ``provider``: its driver may be missing."""
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
