"""The template of an asynchronous endpoint with everything that hears of it."""

from __future__ import annotations

from typing import Any

from tests.local_host.template import Resource, allow, arn, function, get, policy, resource

ACCOUNT = "000000000000"
SAGEMAKER = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
ENDPOINT = "jobs"


def template() -> dict[str, Any]:
    """Endpoint, topics, queue and its function, table, secret, workflow, rule."""
    resources = {**storage(), **endpoint(), **notifications(), **scaling(), **functions(), **others()}
    names = ("Exchange", "Table", "Caller", "Hearer", "Outcomes", "Secret", "Workflow", "Success")
    return {"Resources": resources, "Outputs": {name: {"Value": {"Ref": name}} for name in names}}


def principal(service: str, action: str, target: Any) -> Resource:
    """A statement of a resource policy, for an AWS service."""
    return {**allow(action, target), "Principal": {"Service": f"{service}.amazonaws.com"}}


def role(service: str, *statements: Resource) -> Resource:
    """A role that a service assumes."""
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": f"{service}.amazonaws.com"},
    }
    own = {"PolicyName": "own", "PolicyDocument": policy(*statements)}
    return resource("IAM::Role", AssumeRolePolicyDocument=policy(trust), Policies=[own])


def storage() -> dict[str, Resource]:
    """A key, a bucket and a table that are encrypted with it."""
    root = {**allow("kms:*", "*"), "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn("JobsKey")}
    keys = [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}]
    index = [{"AttributeName": "open", "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"}]
    kinds = {"owner": "S", "id": "S", "open": "S", "due_at": "N"}
    return {
        "JobsKey": resource("KMS::Key", KeyPolicy=policy(root, principal("sns", "kms:GenerateDataKey", "*"))),
        "Exchange": resource(
            "S3::Bucket",
            BucketEncryption={
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]
            },
        ),
        "Table": resource(
            "DynamoDB::Table",
            KeySchema=keys,
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()
            ],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {"IndexName": "open", "KeySchema": index, "Projection": {"ProjectionType": "ALL"}}
            ],
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn("JobsKey")},
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            TimeToLiveSpecification={"AttributeName": "delete_at", "Enabled": True},
        ),
    }


def endpoint() -> dict[str, Resource]:
    """The endpoint `jobs`, which a canary update would change."""
    bucket = {"Fn::Sub": "${Exchange.Arn}/*"}
    rights = (
        allow("s3:GetObject", bucket),
        allow("s3:PutObject", bucket),
        allow("sns:Publish", {"Ref": "Success"}),
        allow("sns:Publish", {"Ref": "Error"}),
        allow("kms:GenerateDataKey", arn("JobsKey")),
        allow("kms:Decrypt", arn("JobsKey")),
    )
    variant = {
        "VariantName": "main",
        "ModelName": get("Model", "ModelName"),
        "InstanceType": "ml.g6e.xlarge",
        "InitialInstanceCount": 1,
    }
    output = {
        "S3OutputPath": {"Fn::Sub": "s3://${Exchange}/out"},
        "S3FailurePath": {"Fn::Sub": "s3://${Exchange}/failed"},
        "KmsKeyId": arn("JobsKey"),
        "NotificationConfig": {"SuccessTopic": {"Ref": "Success"}, "ErrorTopic": {"Ref": "Error"}},
    }
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 60,
    }
    return {
        "Execution": role("sagemaker", *rights),
        "Model": resource(
            "SageMaker::Model", PrimaryContainer={"Image": "vllm"}, ExecutionRoleArn=arn("Execution")
        ),
        "Config": resource(
            "SageMaker::EndpointConfig",
            ProductionVariants=[variant],
            AsyncInferenceConfig={
                "OutputConfig": output,
                "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 8},
            },
        ),
        "Endpoint": resource(
            "SageMaker::Endpoint",
            EndpointName=ENDPOINT,
            EndpointConfigName=get("Config", "EndpointConfigName"),
            RetainAllVariantProperties=True,
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "model-errors"}]},
            },
        ),
    }


def notifications() -> dict[str, Resource]:
    """Two encrypted topics that deliver raw messages to one encrypted queue, which insists on TLS."""
    no_tls = {
        "Effect": "Deny",
        "Action": "sqs:*",
        "Principal": {"AWS": "*"},
        "Resource": arn("Outcomes"),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    made: dict[str, Resource] = {
        "Outcomes": resource("SQS::Queue", KmsMasterKeyId={"Ref": "JobsKey"}, VisibilityTimeout=60),
        "MayDeliver": resource(
            "SQS::QueuePolicy",
            Queues=[{"Ref": "Outcomes"}],
            PolicyDocument=policy(principal("sns", "sqs:SendMessage", arn("Outcomes")), no_tls),
        ),
    }
    for name in ("Success", "Error"):
        made[name] = resource("SNS::Topic", KmsMasterKeyId={"Ref": "JobsKey"})
        made[f"{name}ToQueue"] = resource(
            "SNS::Subscription",
            TopicArn={"Ref": name},
            Protocol="sqs",
            Endpoint=arn("Outcomes"),
            RawMessageDelivery=True,
        )
    return made


def scaling() -> dict[str, Resource]:
    """Zero to two instances; a backlog at zero adds one."""
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{ENDPOINT}/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    return {
        "Target": resource(
            "ApplicationAutoScaling::ScalableTarget",
            after=("Endpoint",),
            MinCapacity=0,
            MaxCapacity=2,
            **target,
        ),
        "LeaveZero": resource(
            "ApplicationAutoScaling::ScalingPolicy",
            after=("Target",),
            PolicyName="leave-zero",
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step]},
            **target,
        ),
        "Backlog": resource(
            "CloudWatch::Alarm",
            Namespace="AWS/SageMaker",
            MetricName="HasBacklogWithoutCapacity",
            Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=2,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[{"Ref": "LeaveZero"}],
        ),
    }


def functions() -> dict[str, Resource]:
    """One that calls services with just these rights, one that hears of outcomes and events."""
    queue = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    return {
        "CallerRole": role(
            "lambda",
            allow("sagemaker:InvokeEndpointAsync", f"{SAGEMAKER}:endpoint/{ENDPOINT}"),
            allow("sagemaker:StopTransformJob", f"{SAGEMAKER}:transform-job/own-*"),
            allow("dynamodb:PutItem", arn("Table")),
            allow("dynamodb:Query", {"Fn::Sub": "${Table.Arn}/index/open"}),
            allow("kms:Decrypt", arn("JobsKey")),
            allow("secretsmanager:GetSecretValue", {"Ref": "Secret"}),
            allow("states:StartExecution", {"Ref": "Workflow"}),
        ),
        "Caller": function("handler", "handler.handler", "CallerRole"),
        "BareRole": role("lambda", allow("dynamodb:PutItem", arn("Table"))),
        "Bare": function("handler", "handler.handler", "BareRole"),
        "HearerRole": role(
            "lambda", *(allow(action, arn("Outcomes")) for action in queue), allow("kms:Decrypt", "*")
        ),
        "Hearer": function("handler", "handler.handler", "HearerRole", Timeout=30),
        "Hearing": resource(
            "Lambda::EventSourceMapping",
            after=("HearerRole",),
            FunctionName={"Ref": "Hearer"},
            EventSourceArn=arn("Outcomes"),
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        ),
        "MayFire": resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=arn("Hearer"),
            Principal="events.amazonaws.com",
            SourceArn=arn("Rule"),
        ),
        "Rule": resource(
            "Events::Rule",
            EventPattern={"source": ["host.test"]},
            Targets=[{"Id": "hearer", "Arn": arn("Hearer")}],
        ),
    }


def others() -> dict[str, Resource]:
    """A secret and a workflow that ends at once."""
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    return {
        "Secret": resource("SecretsManager::Secret", SecretString="hidden", KmsKeyId=arn("JobsKey")),
        "WorkflowRole": role("states", allow("logs:CreateLogDelivery", "*")),
        "Workflow": resource(
            "StepFunctions::StateMachine", RoleArn=arn("WorkflowRole"), Definition=definition
        ),
    }
