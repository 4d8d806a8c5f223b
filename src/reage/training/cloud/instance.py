"""The EC2 instance that a run is on, which can terminate itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.error import URLError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from reage.errors import ConfigError, one_line

_SERVICE = "http://169.254.169.254"
"""Where every EC2 instance finds the service that tells it about itself."""
_TIMEOUT = 2.0
"""Seconds that the service may take for each answer."""
_TOKEN_SECONDS = "60"


@dataclass(frozen=True)
class Instance:
    """An EC2 instance: its ``name``, such as i-0123456789abcdef0, and the ``region`` that it is in."""

    name: str
    region: str

    def __str__(self) -> str:
        return f"{self.name} in {self.region}"

    @classmethod
    def here(cls) -> Instance:
        """The instance that this process runs on, as its metadata service (IMDSv2) says.

        AWS_EC2_METADATA_SERVICE_ENDPOINT, the variable of the AWS tools, names another service.

        Raises:
            ConfigError: no such service answers in time, or not as one does.
        """
        service = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _SERVICE).rstrip("/")
        opener = build_opener(ProxyHandler({}))  # the service is on this machine; no proxy stands before it
        try:
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS}
            token = _ask(opener, Request(f"{service}/latest/api/token", headers=lifetime, method="PUT"))
            about = f"{service}/latest/meta-data"
            headers = {"X-aws-ec2-metadata-token": token}
            name = _ask(opener, Request(f"{about}/instance-id", headers=headers))
            region = _ask(opener, Request(f"{about}/placement/region", headers=headers))
        except (OSError, ValueError) as error:
            reason = error.reason if type(error) is URLError else one_line(error)
            raise ConfigError(
                f"terminate_instance: cannot find out which EC2 instance this machine is: {service}: {reason}"
            ) from error
        if not re.fullmatch(r"i-[0-9a-f]+", name) or not re.fullmatch(r"[a-z0-9-]+", region):
            raise ConfigError(
                f"terminate_instance: {service} gave no valid EC2 instance: '{name}' in '{region}'"
            )
        return cls(name, region)

    def require_permission(self) -> None:
        """Check that this process may end the instance. Raises `ConfigError`, saying why not."""
        self._terminate(dry_run=True)

    def terminate(self) -> None:
        """Let EC2 end the instance, which takes a while. Raises `ConfigError` if it refuses."""
        self._terminate(dry_run=False)

    def _terminate(self, *, dry_run: bool) -> None:
        require_boto3()
        import boto3
        from botocore.config import Config

        patience = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3})
        try:
            ec2: Any = boto3.client("ec2", region_name=self.region, config=patience)
            ec2.terminate_instances(InstanceIds=[self.name], DryRun=dry_run)
        except Exception as error:  # botocore makes the types of its errors as it goes
            if dry_run and "DryRunOperation" in str(error):  # how EC2 says that it would have done it
                return
            raise ConfigError(
                f"terminate_instance: {self} cannot be terminated: {one_line(error)}"
            ) from error


def require_boto3() -> None:
    """Raises `ConfigError` if boto3 is not installed."""
    if find_spec("boto3") is None:
        raise ConfigError("terminate_instance needs boto3: pip install 'reage[cloud]'")


def _ask(opener: OpenerDirector, request: Request) -> str:
    with opener.open(request, timeout=_TIMEOUT) as answer:
        return str(answer.read(4096).decode("ascii").strip())
