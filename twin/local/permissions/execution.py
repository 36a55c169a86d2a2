"""What SageMaker may do with the execution role of a model."""

from __future__ import annotations

from twin.local.permissions import needs
from twin.local.permissions.needs import Keys
from twin.local.permissions.policy import Need, Policies


class ExecutionRoles:
    """Decides what services of ours do for a role, KMS keys included. `keys` is set before the first call."""

    keys: Keys

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def permits(self, role: str, action: str, resource: str) -> bool:
        """Whether a role (ARN) may do an action on a resource (ARN)."""
        return all(self._policies.role_allows(role, need) for need in self._needs(action, resource))

    def _needs(self, action: str, resource: str) -> list[Need]:
        if action in ("s3:GetObject", "s3:PutObject"):
            return needs.object_use(action, resource, self.keys)
        if action == "sns:Publish":
            return needs.publication(resource, self.keys)
        return [Need(action, resource)]
