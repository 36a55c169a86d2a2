"""The searchable corpus: an S3 Vectors bucket with one index."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3vectors as s3vectors
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey

DIMENSION = 384
"""Length of an all-MiniLM-L6-v2 embedding."""

NON_FILTERABLE_METADATA = ("text", "title", "url")
"""Returned with a passage but not searched by: filterable metadata is limited to 2 KB a vector.

Everything else is filterable: author, kind, language, document_id and source.
"""


class VectorStore(Construct):
    """One index of float32 vectors, compared by cosine, encrypted with the environment's key."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        index_name: str,
        key: EncryptionKey,
        removal: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.index_name = index_name
        bucket = s3vectors.CfnVectorBucket(
            self,
            "Bucket",
            encryption_configuration=s3vectors.CfnVectorBucket.EncryptionConfigurationProperty(
                sse_type="aws:kms", kms_key_arn=key.arn
            ),
        )
        self._index = s3vectors.CfnIndex(
            self,
            "Index",
            vector_bucket_arn=bucket.attr_vector_bucket_arn,
            index_name=index_name,
            data_type="float32",
            dimension=DIMENSION,
            distance_metric="cosine",
            metadata_configuration=s3vectors.CfnIndex.MetadataConfigurationProperty(
                non_filterable_metadata_keys=list(NON_FILTERABLE_METADATA)
            ),
        )
        for resource in (bucket, self._index):
            resource.apply_removal_policy(removal)
        # CloudFormation generates the name and returns only the ARN, …:bucket/<name>.
        self.bucket_name = cdk.Fn.select(1, cdk.Fn.split("/", bucket.attr_vector_bucket_arn))

    def grant_query(self, role: iam.Role) -> None:
        """Allow searching. Metadata and filters need GetVectors as well."""
        self._grant(role, "s3vectors:QueryVectors", "s3vectors:GetVectors")
        self._key.grant_decrypt(role)

    def grant_index(self, role: iam.Role) -> None:
        """Allow adding and removing vectors."""
        self._grant(role, "s3vectors:PutVectors", "s3vectors:DeleteVectors")
        self._key.grant_encrypt_decrypt(role)

    def _grant(self, role: iam.Role, *actions: str) -> None:
        role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[self._index.attr_index_arn]))
