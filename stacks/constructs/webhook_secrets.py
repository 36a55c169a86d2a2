"""With what the messages to clients are signed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from stacks.constructs.checks import acknowledge
from stacks.constructs.encryption_key import EncryptionKey
from stacks.naming import Names

_LENGTH = 48
"""Letters and digits, more than 280 bits: longer than the hash that they key."""


class WebhookSecrets(Construct):
    """One generated secret for each client that has a webhook; no template and no variable holds it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        webhooks: Mapping[str, str],
        key: EncryptionKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._urls = webhooks
        self._secrets = {
            client: secretsmanager.Secret(
                self,
                client,
                secret_name=names.webhook_secret(client),
                description=f"Signs the webhooks of {client}",
                encryption_key=key.key,
                generate_secret_string=secretsmanager.SecretStringGenerator(
                    password_length=_LENGTH, exclude_punctuation=True
                ),
            )
            for client in webhooks
        }
        if webhooks:
            acknowledge(
                self,
                "SMG4",
                risk="A leaked signing secret is good until it is changed by hand. A rotation would make "
                "every message invalid at the client, which has to be told the new secret first.",
            )

    def as_json(self) -> str:
        """Address and secret's ARN by client, for the function that signs."""
        entries = (
            f'{json.dumps(client)}:{{"url":{json.dumps(self._urls[client])},"secret_id":"{secret.secret_arn}"}}'
            for client, secret in self._secrets.items()
        )
        return "{" + ",".join(entries) + "}"

    def grant_read(self, role: iam.Role) -> None:
        """Allow reading the secrets, where there are any."""
        if not self._secrets:
            return
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["secretsmanager:GetSecretValue"],
                resources=[secret.secret_arn for secret in self._secrets.values()],
            )
        )
        self._key.grant_decrypt(role)
