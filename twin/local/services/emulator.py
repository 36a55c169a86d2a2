"""What these services take from MiniStack, which lives in the same process: callers and roles.

MiniStack reads its settings when it is imported, so nothing here imports it before it is used.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from twin.local.services import wire
from twin.local.services.identity import Identity

_logger = logging.getLogger(__name__)
_CREDENTIAL = re.compile(r"Credential=([^/,]+)/[^/]+/([^/]+)/")


def _responses() -> Any:
    """MiniStack's module that holds the account and region of the request at hand."""
    return import_module("ministack.core.responses")


class CallerIdentity(Identity):
    """Account and region of the request at hand, as MiniStack tells them.

    A twelve-digit access key is an account, a role's session has the role's account, any other key means
    `000000000000`.
    """

    @property
    def account(self) -> str:
        return str(_responses().get_account_id())

    @property
    def region(self) -> str:
        return str(_responses().get_region())


def acting_as_caller(app: wire.ASGIApp) -> wire.ASGIApp:
    """`app`, with `CallerIdentity` being the signer of each request."""

    async def wrapped(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        match = _CREDENTIAL.search(wire.header(scope, "authorization") or "")
        responses = _responses()
        responses.set_request_account_id(match[1] if match else "")
        responses.set_request_region(match[2] if match else None)
        await app(scope, receive, send)

    return wrapped


_KEPT_EVENTS = 1000


def publish_event(detail_type: str, resources: Sequence[str], detail: Mapping[str, Any]) -> None:
    """Put an event of SageMaker's on MiniStack's default event bus, whose list of past events stays short.

    As on AWS, what happens does not depend on whether anybody could be told of it.
    """
    bus: Any = import_module("ministack.services.eventbridge")
    entry = {
        "Source": "aws.sagemaker",
        "DetailType": detail_type,
        "Resources": list(resources),
        "Detail": json.dumps(detail),
    }
    try:
        bus._put_events({"Entries": [entry]}, allow_aws_source=True)
    except Exception:  # targets of all kinds, each with errors of its own
        _logger.exception("no delivery of the event %s of %s", detail_type, resources)
    del bus._events_log_list()[:-_KEPT_EVENTS]


class EmulatedRoles:
    """Knows the roles of MiniStack's IAM service."""

    def assumable(self, role_arn: str, service: str) -> bool:
        roles: Any = import_module("ministack.services.iam")._roles
        responses = _responses()
        account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        with responses.request_scope(account, responses.get_region()):
            role = roles.get(name)
        if role is None:
            return False
        return service in trusted_services(role.get("AssumeRolePolicyDocument") or "{}")


def trusted_services(policy: str | dict[str, Any]) -> set[str]:
    """Service principals that a trust policy lets assume the role."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    trusted: set[str] = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        if statement.get("Effect") == "Allow" and isinstance(principal, dict):
            named = principal.get("Service", [])
            trusted.update([named] if isinstance(named, str) else named)
    return trusted
