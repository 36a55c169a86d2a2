"""MiniStack, loaded into this process and kept within the state directory.

MiniStack reads its settings from environment variables while it is imported, so `load` must run before
anything else imports it. Its modules are reached through `Emulator` alone.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Any

from twin.local import ACCOUNT, HOST, REGION
from twin.local.options import CloudOptions

_INHERITED_PREFIXES = ("AWS_", "LOCALSTACK_", "MINISTACK_", "LAMBDA_", "S3_", "DOCKER_")


@dataclass(frozen=True, slots=True)
class Emulator:
    """MiniStack's modules. They carry no types, so each is `Any`."""

    actions: Any
    app: Any
    api: Any
    cloudformation: Any
    custom_resources: Any
    provisioners: Any
    functions: Any
    keys: Any
    logs: Any
    objects: Any
    persistence: Any
    policies: Any
    queues: Any
    responses: Any
    secrets: Any
    sessions: Any
    states: Any
    tables: Any
    topics: Any


def environment(options: CloudOptions) -> dict[str, str]:
    """MiniStack's settings: one port, no Docker, no listener of its own, all state on disk."""
    layout = options.layout
    return {
        "GATEWAY_PORT": str(options.port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(layout.emulator),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(layout.objects),
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{layout.root}/no-docker.sock",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(layout.home),
        "TMPDIR": str(layout.scratch),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }


def load(options: CloudOptions) -> Emulator:
    """Set MiniStack's environment in this process and import it. Call once, first."""
    for name in [name for name in os.environ if name.startswith(_INHERITED_PREFIXES)]:
        del os.environ[name]
    os.environ.update(environment(options))

    def module(name: str) -> Any:
        return importlib.import_module(f"ministack.{name}")

    return Emulator(
        actions=module("core.iam_actions"),
        app=module("app"),
        api=module("services.apigateway_v1"),
        cloudformation=module("services.cloudformation"),
        custom_resources=module("services.cloudformation.custom_resource"),
        provisioners=module("services.cloudformation.provisioners"),
        functions=module("services.lambda_svc"),
        keys=module("services.kms"),
        logs=module("services.cloudwatch_logs"),
        objects=module("services.s3"),
        persistence=module("core.persistence"),
        policies=module("core.iam_evaluator"),
        queues=module("services.sqs"),
        responses=module("core.responses"),
        secrets=module("services.secretsmanager"),
        sessions=module("services.sts"),
        tables=module("services.dynamodb"),
        topics=module("services.sns"),
        states=module("services.stepfunctions"),
    )
