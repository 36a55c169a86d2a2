"""Signatures of the Standard Webhooks specification."""

from __future__ import annotations

import base64
import hashlib
import hmac

ENCODED = "whsec_"
"""With this prefix a secret is written in base64; without, its text is the key."""


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows who sent `body`, and when, in seconds since the epoch."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(ENCODED):
        return base64.b64decode(secret.removeprefix(ENCODED))
    return secret.encode()
