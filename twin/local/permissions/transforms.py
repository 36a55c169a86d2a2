"""What a model's role may do with the data of a transform job."""

from __future__ import annotations

from twin.local.permissions.keys import EncryptionKeys
from twin.local.permissions.policy import Need, Policies


class TransformAccess:
    """Asks the role's policies as SageMaker's calls of S3 do; each answer is the denial's text, or None."""

    def __init__(self, policies: Policies, keys: EncryptionKeys) -> None:
        self._policies = policies
        self._keys = keys

    def list_denial(self, role: str, bucket: str, prefix: str) -> str | None:
        """Of listing a bucket below a prefix."""
        return self._denial(role, _on_bucket("s3:ListBucket", bucket, ("s3:prefix", prefix)))

    def read_denial(self, role: str, bucket: str, key: str) -> str | None:
        """Of reading an object."""
        encryption = self._keys.of_bucket(bucket)
        needs = [Need("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")]
        return self._denial(role, *needs, *([Need("kms:Decrypt", encryption, "s3")] if encryption else []))

    def write_denial(self, role: str, bucket: str, key: str, kms_key: str | None) -> str | None:
        """Of writing an object, encrypted with `kms_key` or as the bucket says."""
        encryption = self._keys.arn(kms_key) if kms_key else self._keys.of_bucket(bucket)
        needs = [Need("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")]
        if encryption:
            needs.append(Need("kms:GenerateDataKey", encryption, "s3"))
        return self._denial(role, *needs)

    def _denial(self, role: str, *needs: Need) -> str | None:
        for need in needs:
            denial = self._policies.role_denial(role, "SageMaker", need)
            if denial is not None:
                return denial
        return None


def _on_bucket(action: str, bucket: str, *conditions: tuple[str, str]) -> Need:
    return Need(action, f"arn:aws:s3:::{bucket}", conditions=conditions)
