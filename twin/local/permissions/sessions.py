"""Credentials that identify a function's role."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from twin.local import ACCOUNT
from twin.local.emulator import Emulator
from twin.local.functions.spec import FunctionSpec


class RoleSessions:
    """Sessions of function roles, as AWS Lambda assumes them: one per function and role."""

    def __init__(self, emulator: Emulator) -> None:
        self._sessions = emulator.sessions
        self._tokens: dict[str, str] = {}

    def credentials(self, spec: FunctionSpec) -> Mapping[str, str]:
        """The credential variables of a function's process."""
        digest = hashlib.sha256(f"{spec.arn}:{spec.role_arn}".encode()).hexdigest()
        access_key = f"ASIA{digest[:16].upper()}"
        secret = hashlib.sha256(f"secret:{digest}".encode()).hexdigest()[:40]
        token = hashlib.sha256(f"token:{digest}".encode()).hexdigest()
        role = spec.role_arn.rpartition("/")[2]
        self._sessions.register_session(
            access_key,
            {
                "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{spec.name}",
                "UserId": f"AROA{digest[16:32].upper()}:{spec.name}",
                "AccountId": ACCOUNT,
                "SecretAccessKey": secret,
                "SessionToken": token,
            },
        )
        self._tokens[access_key] = token
        return {
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    def knows(self, access_key: str) -> bool:
        """Whether an access key belongs to a function's role."""
        return access_key in self._tokens

    def valid(self, access_key: str, token: str | None) -> bool:
        """Whether the session token goes with the access key."""
        return self._tokens.get(access_key) == token
