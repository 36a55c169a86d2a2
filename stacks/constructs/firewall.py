"""The firewall before the API."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

_REPUTATION = "AWSManagedRulesAmazonIpReputationList"


class Firewall(Construct):
    """Blocks addresses with a bad reputation, and those that send too much.

    No rule looks into bodies: a prompt may rightly contain code, queries or markup, and be long.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, requests_per_address: int, stage: apigateway.Stage
    ) -> None:
        super().__init__(scope, construct_id)
        acl = wafv2.CfnWebACL(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible("firewall"),
            rules=[_reputation(0), _rate(1, requests_per_address)],
        )
        wafv2.CfnWebACLAssociation(
            self, "Association", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn
        )


def _reputation(priority: int) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name="reputation",
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS", name=_REPUTATION
            )
        ),
        visibility_config=_visible("reputation"),
    )


def _rate(priority: int, requests: int) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name="rate",
        priority=priority,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP", limit=requests, evaluation_window_sec=300
            )
        ),
        visibility_config=_visible("rate"),
    )


def _visible(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    # Sampled requests would show prompts' headers to anyone who may read the firewall.
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
