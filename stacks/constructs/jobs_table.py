"""The table of background responses, batches and files."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.naming import JOBS_INDEX

_TABLE_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class JobsTable(Construct):
    """Records by owner and id, with an index of the open jobs by when they are looked at next.

    On demand, encrypted with the environment's key, restorable to any second of the last 35 days.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: EncryptionKey, removal: cdk.RemovalPolicy
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="owner", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key.key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="delete_at",
            deletion_protection=removal == cdk.RemovalPolicy.RETAIN,
            removal_policy=removal,
        )
        self.table.add_global_secondary_index(
            index_name=JOBS_INDEX,
            partition_key=dynamodb.Attribute(name="open", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="due_at", type=dynamodb.AttributeType.NUMBER),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )

    @property
    def name(self) -> str:
        """Generated name of the table."""
        return self.table.table_name

    def grant_read_write(self, role: iam.Role) -> None:
        """Allow reading, listing, changing and deleting records; transactions need no more than that."""
        self._allow(
            role,
            ["DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"],
            self.table.table_arn,
        )

    def grant_find_open(self, role: iam.Role) -> None:
        """Allow finding the open jobs of all owners."""
        self._allow(role, ["Query"], f"{self.table.table_arn}/index/{JOBS_INDEX}")

    def _allow(self, role: iam.Role, actions: list[str], resource: str) -> None:
        role.add_to_policy(
            iam.PolicyStatement(actions=[f"dynamodb:{action}" for action in actions], resources=[resource])
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=list(_TABLE_KEY_ACTIONS),
                resources=[self._key.arn],
                conditions={
                    "StringEquals": {"kms:ViaService": f"dynamodb.{cdk.Stack.of(self).region}.amazonaws.com"}
                },
            )
        )
