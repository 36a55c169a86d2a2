"""Decides single permissions with MiniStack's policy evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from twin.local import ACCOUNT, HOST, REGION
from twin.local.emulator import Emulator


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a request needs: `s3vectors:QueryVectors` on an index's ARN.

    `via` is the service that uses a KMS key on the caller's behalf; `conditions` are further keys of the
    request, in lower case, with their values.
    """

    action: str
    resource: str
    via: str = ""
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def service(self) -> str:
        """The action's prefix."""
        return self.action.partition(":")[0]


def parsed_once(parse: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """`parse`, which reads the same text only once: MiniStack parses a role's policies for every request."""
    kept = lru_cache(maxsize=512)(parse)

    def parsed(document: Any) -> list[Any]:
        return list(kept(document)) if isinstance(document, str) else parse(document)

    return parsed


class Policies:
    """The policies of roles and resources as MiniStack holds them."""

    def __init__(self, emulator: Emulator) -> None:
        self._policies = emulator.policies
        self._policies.parse_policy_document = parsed_once(self._policies.parse_policy_document)

    def denial(self, access_key: str, need: Need) -> str | None:
        """AWS's message for a denied permission, or None when it is allowed."""
        principal = self._policies.resolve_principal(access_key, ACCOUNT)
        if isinstance(principal, self._policies.AuthError):
            return str(principal.message)
        return self._denial(principal, need)

    def role_allows(self, role_arn: str, need: Need) -> bool:
        """Whether a role may do something when an AWS service acts for it."""
        return self.role_denial(role_arn, "awslambda", need) is None

    def role_denial(self, role_arn: str, session: str, need: Need) -> str | None:
        """As `denial`, for a role that an AWS service has assumed under a session name."""
        role = role_arn.rpartition("/")[2]
        principal = self._policies.PrincipalInfo(
            arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
            type="AssumedRole",
            account=ACCOUNT,
            policies=self._policies._gather_role_policies(role, ACCOUNT),
        )
        return self._denial(principal, need)

    def _denial(self, principal: Any, need: Need) -> str | None:
        allowed, explicit = self._decide(principal, need)
        if allowed:
            return None
        reason = (
            "with an explicit deny in an identity-based policy"
            if explicit
            else f"because no identity-based policy allows the {need.action} action"
        )
        return (
            f"User: {principal.arn} is not authorized to perform: {need.action} "
            f"on resource: {need.resource} {reason}"
        )

    def service_may_invoke(self, policy: Any, service: str, function_arn: str, source_arn: str) -> bool:
        """Whether a function's resource policy lets an AWS service invoke it for a source."""
        context = self._context(
            f"arn:aws:iam::{ACCOUNT}:root",
            "Root",
            Need("lambda:InvokeFunction", function_arn),
            {"aws:sourcearn": source_arn, "aws:sourceaccount": ACCOUNT},
        )
        result = self._policies.evaluate_resource_policy(policy, context, service=service)
        return bool(result.decision == "Allow")

    def _decide(self, principal: Any, need: Need) -> tuple[bool, bool]:
        """Whether the permission is allowed, and else whether a Deny statement says so."""
        keys = dict(need.conditions)
        if need.via:
            keys["kms:viaservice"] = f"{need.via}.{REGION}.amazonaws.com"
        context = self._context(principal.arn, principal.type, need, keys, principal.keys)
        result = self._policies.evaluate(context, principal.policies, *principal.limits)
        found = self._policies._resource_policy(need.service, need.resource)
        if found is not None:
            result = self._policies.combine_resource_policy(
                result, context, *found, required=need.service == "kms", limits=principal.limits
            )
        return result.decision == "Allow", result.decision == "Deny"

    def _context(
        self, arn: str, kind: str, need: Need, keys: dict[str, str], principal_keys: Any = None
    ) -> Any:
        return self._policies.EvalContext(
            principal_arn=arn,
            principal_type=kind,
            principal_account=ACCOUNT,
            action=need.action,
            resource_arn=need.resource,
            region=REGION,
            source_ip=HOST,
            secure_transport=True,
            service_context={"aws:tagkeys": None, **keys},
            principal_keys=principal_keys or {},
        )
