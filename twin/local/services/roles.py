"""Execution roles, looked up in MiniStack's IAM."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any


class MiniStackRoles:
    """Knows the roles of MiniStack's IAM service, which lives in the same process."""

    def assumable(self, role_arn: str, service: str) -> bool:
        iam: Any = import_module("ministack.services.iam")
        role = iam._roles.get(role_arn.rpartition("/")[2])
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
