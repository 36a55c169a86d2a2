"""Execution roles, looked up in MiniStack's IAM."""

from __future__ import annotations

import json
import sys
from typing import Any

_IAM = "ministack.services.iam"


class MiniStackRoles:
    """Knows the roles of the IAM service in this process; without one, every role counts as existing."""

    def assumable(self, role_arn: str, service: str) -> bool:
        module: Any = sys.modules.get(_IAM)
        if module is None:
            return True
        role = module._roles.get(role_arn.rpartition("/")[2])
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
