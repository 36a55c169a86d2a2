"""Asks the service of each resource type whether a resource is there; CloudFormation's word is not enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from twin.deployment.target import Target

LOOKUPS = {
    "AWS::ApiGateway::ApiKey": ("apigateway", "get_api_key", "apiKey"),
    "AWS::ApiGateway::RestApi": ("apigateway", "get_rest_api", "restApiId"),
    "AWS::ApiGateway::UsagePlan": ("apigateway", "get_usage_plan", "usagePlanId"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "describe_alarms", "AlarmNames"),
    "AWS::DynamoDB::Table": ("dynamodb", "describe_table", "TableName"),
    "AWS::EC2::FlowLog": ("ec2", "describe_flow_logs", "FlowLogIds"),
    "AWS::EC2::RouteTable": ("ec2", "describe_route_tables", "RouteTableIds"),
    "AWS::EC2::SecurityGroup": ("ec2", "describe_security_groups", "GroupIds"),
    "AWS::EC2::Subnet": ("ec2", "describe_subnets", "SubnetIds"),
    "AWS::EC2::VPC": ("ec2", "describe_vpcs", "VpcIds"),
    "AWS::EC2::VPCEndpoint": ("ec2", "describe_vpc_endpoints", "VpcEndpointIds"),
    "AWS::Events::Rule": ("events", "describe_rule", "Name"),
    "AWS::IAM::ManagedPolicy": ("iam", "get_policy", "PolicyArn"),
    "AWS::IAM::Role": ("iam", "get_role", "RoleName"),
    "AWS::KMS::Key": ("kms", "describe_key", "KeyId"),
    "AWS::Lambda::EventSourceMapping": ("lambda", "get_event_source_mapping", "UUID"),
    "AWS::Lambda::Function": ("lambda", "get_function", "FunctionName"),
    "AWS::Lambda::LayerVersion": ("lambda", "get_layer_version_by_arn", "Arn"),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", "logGroupNamePrefix"),
    "AWS::S3::Bucket": ("s3", "head_bucket", "Bucket"),
    "AWS::S3Vectors::Index": ("s3vectors", "get_index", "indexArn"),
    "AWS::S3Vectors::VectorBucket": ("s3vectors", "get_vector_bucket", "vectorBucketArn"),
    "AWS::SNS::Subscription": ("sns", "get_subscription_attributes", "SubscriptionArn"),
    "AWS::SNS::Topic": ("sns", "get_topic_attributes", "TopicArn"),
    "AWS::SQS::Queue": ("sqs", "get_queue_attributes", "QueueUrl"),
    "AWS::SageMaker::Endpoint": ("sagemaker", "describe_endpoint", "EndpointName"),
    "AWS::SageMaker::EndpointConfig": ("sagemaker", "describe_endpoint_config", "EndpointConfigName"),
    "AWS::SageMaker::InferenceComponent": (
        "sagemaker",
        "describe_inference_component",
        "InferenceComponentName",
    ),
    "AWS::SageMaker::Model": ("sagemaker", "describe_model", "ModelName"),
    "AWS::SageMaker::ModelPackageGroup": (
        "sagemaker",
        "describe_model_package_group",
        "ModelPackageGroupName",
    ),
    "AWS::StepFunctions::StateMachine": ("stepfunctions", "describe_state_machine", "stateMachineArn"),
}
"""Client, operation and the parameter that takes the identifier."""

PARTS = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::ApiGateway::Authorizer",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::Method",
        "AWS::ApiGateway::Model",
        "AWS::ApiGateway::RequestValidator",
        "AWS::ApiGateway::Resource",
        "AWS::ApiGateway::Stage",
        "AWS::ApiGateway::UsagePlanKey",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::CDK::Metadata",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::IAM::Policy",
        "AWS::KMS::Alias",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::WAFv2::WebACL",
        "AWS::WAFv2::WebACLAssociation",
    }
)
"""Types that have no lookup by their identifier alone."""


def found(target: Target, kind: str, identifier: str) -> bool:
    """Whether the service knows the resource; raises KeyError for a type without a lookup."""
    service, operation, parameter = LOOKUPS[kind]
    plural = parameter.endswith(("Ids", "Names"))
    value: Any = [identifier] if plural else _name(kind, identifier)
    try:
        answer: dict[str, Any] = getattr(target.client(service), operation)(**{parameter: value})
    except ClientError:
        return False
    content = {name: each for name, each in answer.items() if name != "ResponseMetadata"}
    lists = [each for each in content.values() if isinstance(each, list)]
    return any(lists) if plural or kind == "AWS::Logs::LogGroup" else True


def _name(kind: str, identifier: str) -> str:
    """The identifier in the form that the lookup takes; some of SageMaker's are ARNs."""
    return identifier.rpartition("/")[2] if kind.startswith("AWS::SageMaker::") else identifier
