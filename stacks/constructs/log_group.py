"""Encrypted log groups with a retention."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from twin.settings.functions import LogSettings


def encrypted_log_group(
    scope: Construct, construct_id: str, *, settings: LogSettings, key: EncryptionKey, name: str | None = None
) -> logs.LogGroup:
    """A log group that goes with its stack; a retained one with a fixed name would block the next deploy."""
    group = logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key.key,
        removal_policy=RemovalPolicy.DESTROY,
    )
    default_child = group.node.default_child
    if not isinstance(default_child, logs.CfnLogGroup):
        raise TypeError(f"{group.node.path} has no AWS::Logs::LogGroup")
    # The L2 takes an enumeration that repeats CloudWatch's list of days, which the settings already check.
    default_child.retention_in_days = settings.retention_days
    return group
