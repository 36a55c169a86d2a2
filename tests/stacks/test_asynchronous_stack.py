"""The asynchronous stack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.stacks.composition import Compose
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Json, Template, as_list, with_action
from twin.settings.asynchronous import AsynchronousSettings

ROLE = "ExecutionRole/Role"


def settings(synthesis: Synthesis) -> AsynchronousSettings:
    found = synthesis.environment.asynchronous
    assert found is not None
    return found


def changed(synthesis: Synthesis, **changes: object) -> dict[str, object]:
    """Changes of the environment that change the section."""
    return {"asynchronous": settings(synthesis).model_copy(update=changes)}


def configuration(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template.only("AWS::SageMaker::EndpointConfig")
    return found


def variant(template: Template) -> dict[str, Any]:
    [found] = configuration(template)["ProductionVariants"]
    return dict(found)


def policies(template: Template, kind: str) -> list[Json]:
    return [
        policy
        for policy in template.properties("AWS::ApplicationAutoScaling::ScalingPolicy")
        if policy["PolicyType"] == kind
    ]


def test_answers_and_failures_go_to_the_objects_of_jobs(synthesis: Synthesis) -> None:
    output = configuration(synthesis.asynchronous)["AsyncInferenceConfig"]["OutputConfig"]
    for key, folder in (("S3OutputPath", "output"), ("S3FailurePath", "failure")):
        scheme, bucket, path = output[key]["Fn::Join"][1]
        assert scheme == "s3://"
        assert "ExchangeBucket" in bucket["Fn::ImportValue"]
        assert path == f"/jobs/asynchronous/{folder}"
    assert "EncryptionKey" in output["KmsKeyId"]["Fn::ImportValue"]


def test_each_end_has_a_topic_of_its_own(synthesis: Synthesis) -> None:
    notices = configuration(synthesis.asynchronous)["AsyncInferenceConfig"]["OutputConfig"][
        "NotificationConfig"
    ]
    successes, _ = synthesis.asynchronous.find("Feed/Successes")
    errors, _ = synthesis.asynchronous.find("Feed/Errors")
    assert notices == {"SuccessTopic": {"Ref": successes}, "ErrorTopic": {"Ref": errors}}


def test_an_instance_works_on_as_many_requests_as_the_settings_say(synthesis: Synthesis) -> None:
    client = configuration(synthesis.asynchronous)["AsyncInferenceConfig"]["ClientConfig"]
    most = settings(synthesis).max_concurrent_invocations_per_instance
    assert client == {"MaxConcurrentInvocationsPerInstance": most}
    assert most <= synthesis.environment.model.max_num_seqs


def test_variant_runs_one_model_on_whole_instances(synthesis: Synthesis) -> None:
    found = variant(synthesis.asynchronous)
    model, _ = synthesis.asynchronous.find("Endpoint/Model")
    assert found["ModelName"] == {"Fn::GetAtt": [model, "ModelName"]}
    assert found["VariantName"] == "main"
    assert found["InitialInstanceCount"] == max(settings(synthesis).instances.min, 1)
    assert not {"ManagedInstanceScaling", "ServerlessConfig", "RoutingConfig"} & set(found)


def test_several_types_are_pools_in_order_of_preference(prod: Synthesis) -> None:
    found = variant(prod.asynchronous)
    assert [pool["InstanceType"] for pool in found["InstancePools"]] == list(settings(prod).instance_types)
    assert [pool["Priority"] for pool in found["InstancePools"]] == [1, 2, 3]
    assert "InstanceType" not in found


def test_one_type_is_no_pool(prod: Synthesis, compose: Compose) -> None:
    found = variant(compose(prod, changed(prod, instance_types=("ml.g6e.xlarge",)))["asynchronous"])
    assert found["InstanceType"] == "ml.g6e.xlarge"
    assert not {"InstancePools", "VariantInstanceProvisionTimeoutInSeconds"} & set(found)


def test_model_is_the_realtime_endpoints(synthesis: Synthesis) -> None:
    ours = synthesis.asynchronous.only("AWS::SageMaker::Model")
    theirs = synthesis.realtime.only("AWS::SageMaker::Model")
    assert ours["PrimaryContainer"] == theirs["PrimaryContainer"]
    assert ours["VpcConfig"] == theirs["VpcConfig"]
    assert ours["EnableNetworkIsolation"] is True


def test_the_model_spans_as_many_gpus_as_the_settings_say(prod: Synthesis, compose: Compose) -> None:
    changes = changed(prod, instance_types=("ml.g5.12xlarge",), accelerators_per_instance=4)
    model = compose(prod, changes)["asynchronous"].only("AWS::SageMaker::Model")
    assert model["PrimaryContainer"]["Environment"]["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "4"


@pytest.mark.parametrize("kind", ["AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"])
def test_what_is_replaced_has_no_fixed_name(synthesis: Synthesis, kind: str) -> None:
    assert not {"EndpointConfigName", "ModelName"} & set(synthesis.asynchronous.only(kind))


def test_endpoint_keeps_its_scaled_count_but_not_its_old_data_capture(synthesis: Synthesis) -> None:
    endpoint = synthesis.asynchronous.only("AWS::SageMaker::Endpoint")
    assert endpoint["EndpointName"] == f"twin-{synthesis.environment.name}-asynchronous"
    assert endpoint["RetainAllVariantProperties"] is True
    assert endpoint["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DataCaptureConfig"}]


def test_a_deploy_moves_a_share_first_and_keeps_the_old_instances_a_while(synthesis: Synthesis) -> None:
    endpoint = synthesis.asynchronous.only("AWS::SageMaker::Endpoint")
    rollout, timeouts = settings(synthesis).rollout, settings(synthesis).start_timeouts
    policy = endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": rollout.canary_percent},
        "WaitIntervalInSeconds": rollout.bake_seconds,
    }
    assert policy["TerminationWaitInSeconds"] == 300
    assert policy["MaximumExecutionTimeoutInSeconds"] >= (rollout.bake_seconds + 300 + timeouts.total_seconds)


def test_the_longest_rollout_is_within_sagemakers_limit(prod: Synthesis, compose: Compose) -> None:
    timeouts = settings(prod).start_timeouts.model_copy(
        update={
            "instance_provision_seconds": 3600,
            "model_download_seconds": 3600,
            "container_startup_seconds": 3600,
        }
    )
    rollout = settings(prod).rollout.model_copy(update={"bake_seconds": 3600})
    template = compose(prod, changed(prod, start_timeouts=timeouts, rollout=rollout))["asynchronous"]
    policy = template.only("AWS::SageMaker::Endpoint")["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert 3600 + 300 + 2 * 10_800 == policy["MaximumExecutionTimeoutInSeconds"] <= 28_800


def test_failures_of_a_deploy_roll_it_back(synthesis: Synthesis) -> None:
    template = synthesis.asynchronous
    endpoint = template.only("AWS::SageMaker::Endpoint")
    named = [
        alarm["AlarmName"]["Ref"]
        for alarm in endpoint["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    ]
    alarms = [template.resources("AWS::CloudWatch::Alarm")[logical_id]["Properties"] for logical_id in named]
    assert {alarm["MetricName"] for alarm in alarms} == {
        "Invocation5XXErrors",
        "ResponseUploadFailures",
        "NotificationFailures",
    }
    for alarm in alarms:
        assert alarm["Namespace"] == "AWS/SageMaker"
        assert {entry["Name"]: entry["Value"] for entry in alarm["Dimensions"]} == {
            "EndpointName": endpoint["EndpointName"],
            "VariantName": "main",
        }
        assert (alarm["Statistic"], alarm["Period"], alarm["TreatMissingData"]) == ("Sum", 60, "notBreaching")


def test_the_role_may_look_at_alarms(synthesis: Synthesis) -> None:
    """SageMaker does, during a deploy; without the right, an alarm would go unseen."""
    statements = synthesis.registry.at("ModelRights/Hosting")["PolicyDocument"]["Statement"]
    look = with_action(statements, "cloudwatch:DescribeAlarms")
    assert look["Resource"] == "*"
    assert "ModelRightsHosting" in json.dumps(synthesis.asynchronous.at(ROLE)["ManagedPolicyArns"])


def test_nothing_is_captured_unless_the_settings_say_so(synthesis: Synthesis) -> None:
    assert "DataCaptureConfig" not in configuration(synthesis.asynchronous)


def test_captured_requests_expire_with_the_jobs(prod: Synthesis, compose: Compose) -> None:
    capture = configuration(compose(prod, changed(prod, data_capture_percent=25))["asynchronous"])[
        "DataCaptureConfig"
    ]
    assert capture["EnableCapture"] is True
    assert capture["InitialSamplingPercentage"] == 25
    assert capture["DestinationS3Uri"]["Fn::Join"][1][-1] == "/jobs/asynchronous/captured"
    assert capture["CaptureContentTypeHeader"] == {"JsonContentTypes": ["application/json"]}
    assert [option["CaptureMode"] for option in capture["CaptureOptions"]] == ["Input", "Output"]
    assert "EncryptionKey" in capture["KmsKeyId"]["Fn::ImportValue"]


def test_instances_follow_the_backlog(synthesis: Synthesis) -> None:
    template, asynchronous = synthesis.asynchronous, settings(synthesis)
    target = template.only("AWS::ApplicationAutoScaling::ScalableTarget")
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert target["ResourceId"] == f"endpoint/twin-{synthesis.environment.name}-asynchronous/variant/main"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (
        asynchronous.instances.min,
        asynchronous.instances.max,
    )
    [tracking] = policies(template, "TargetTrackingScaling")
    assert tracking["TargetTrackingScalingPolicyConfiguration"] == {
        "CustomizedMetricSpecification": {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Dimensions": [
                {"Name": "EndpointName", "Value": f"twin-{synthesis.environment.name}-asynchronous"}
            ],
            "Statistic": "Average",
        },
        "TargetValue": asynchronous.target_backlog_per_instance,
        "ScaleOutCooldown": asynchronous.cooldowns.scale_out_seconds,
        "ScaleInCooldown": asynchronous.cooldowns.scale_in_seconds,
    }


def test_scaling_waits_for_the_endpoint_and_uses_the_service_linked_role(synthesis: Synthesis) -> None:
    endpoint, _ = synthesis.asynchronous.find("Endpoint/Endpoint")
    [target] = synthesis.asynchronous.resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert endpoint in target["DependsOn"]
    assert target["Properties"]["RoleARN"].endswith(
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )


def test_a_backlog_at_zero_instances_starts_one(dev: Synthesis) -> None:
    template = dev.asynchronous
    [step] = policies(template, "StepScaling")
    assert step["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "Cooldown": settings(dev).cooldowns.wake_seconds,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    }
    alarm = template.at("Scaling/BacklogWithoutCapacity")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SageMaker", "HasBacklogWithoutCapacity")
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "twin-dev-asynchronous"}]
    assert (alarm["Statistic"], alarm["Period"], alarm["Threshold"]) == ("Average", 60, 1)
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 2)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    [action] = alarm["AlarmActions"]
    assert template.body["Resources"][action["Ref"]]["Properties"]["PolicyType"] == "StepScaling"


def test_an_endpoint_that_never_reaches_zero_has_nothing_to_wake_it(
    prod: Synthesis, compose: Compose
) -> None:
    instances = settings(prod).instances.model_copy(update={"min": 2})
    template = compose(prod, changed(prod, instances=instances))["asynchronous"]
    assert policies(template, "StepScaling") == []
    assert "HasBacklogWithoutCapacity" not in template.text()
    assert variant(template)["InitialInstanceCount"] == 2


def test_no_metric_of_another_deployment_type_is_used(synthesis: Synthesis) -> None:
    for metric in ("SageMakerVariant", "ConcurrentRequests", "NoCapacityInvocationFailures"):
        assert metric not in synthesis.asynchronous.text()


def test_topics_are_encrypted_and_take_tls_only(synthesis: Synthesis) -> None:
    topics = synthesis.asynchronous.resources("AWS::SNS::Topic")
    assert len(topics) == 2
    for topic in topics.values():
        assert "EncryptionKey" in topic["Properties"]["KmsMasterKeyId"]["Fn::ImportValue"]
        assert "TopicName" not in topic["Properties"]
    for policy in synthesis.asynchronous.properties("AWS::SNS::TopicPolicy"):
        [statement] = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_topics_hand_their_messages_to_the_queue_as_they_are(synthesis: Synthesis) -> None:
    template = synthesis.asynchronous
    queue, _ = template.find("Feed/Outcomes/Messages")
    subscriptions = template.properties("AWS::SNS::Subscription")
    assert {subscription["TopicArn"]["Ref"] for subscription in subscriptions} == set(
        template.resources("AWS::SNS::Topic")
    )
    for subscription in subscriptions:
        assert subscription["Protocol"] == "sqs"
        assert subscription["RawMessageDelivery"] is True
        assert subscription["Endpoint"] == {"Fn::GetAtt": [queue, "Arn"]}


def test_only_the_topics_may_fill_the_queue(synthesis: Synthesis) -> None:
    template = synthesis.asynchronous
    statements = template.at("Feed/Outcomes/Messages/Policy")["PolicyDocument"]["Statement"]
    allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert {entry["Condition"]["ArnEquals"]["aws:SourceArn"]["Ref"] for entry in allowed} == set(
        template.resources("AWS::SNS::Topic")
    )
    assert {entry["Principal"]["Service"] for entry in allowed} == {"sns.amazonaws.com"}


def test_no_flood_of_outcomes_takes_the_concurrency_of_those_who_answer_clients(
    synthesis: Synthesis,
) -> None:
    mapping = synthesis.asynchronous.only("AWS::Lambda::EventSourceMapping")
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 10}


def test_an_outcome_that_cannot_be_recorded_is_set_aside(synthesis: Synthesis) -> None:
    template = synthesis.asynchronous
    queue = template.at("Feed/Outcomes/Messages")
    dead_letters, _ = template.find("Feed/Outcomes/DeadLetters")
    function = template.at("Outcomes/Function")
    mapping = template.only("AWS::Lambda::EventSourceMapping")
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]},
        "maxReceiveCount": 14,
    }
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert function["Handler"] == "jobs.outcomes.handler"
    for path in ("Feed/Outcomes/Messages", "Feed/Outcomes/DeadLetters"):
        assert "EncryptionKey" in template.at(path)["KmsMasterKeyId"]["Fn::ImportValue"]


def test_execution_role_publishes_to_the_topics_and_keeps_to_the_jobs(synthesis: Synthesis) -> None:
    template = synthesis.asynchronous
    statements = template.statements(ROLE)
    publish = with_action(statements, "sns:Publish")
    assert {resource["Ref"] for resource in publish["Resource"]} == set(template.resources("AWS::SNS::Topic"))
    shared = json.dumps(template.at(ROLE)["ManagedPolicyArns"])
    assert all(name in shared for name in ("ModelRightsHosting", "ModelRightsWeights", "ExchangeJobObjects"))
    assert not [
        action for entry in statements for action in as_list(entry["Action"]) if action.startswith("s3:")
    ]


def test_rights_and_topics_outlive_the_endpoint(synthesis: Synthesis) -> None:
    template = synthesis.asynchronous
    _, resource = template.find("Endpoint/Configuration")
    policy, _ = template.find(f"{ROLE}/DefaultPolicy")
    assert {policy, *template.resources("AWS::SNS::Subscription")} <= set(resource["DependsOn"])


def test_recorder_changes_records_and_tells_who_waits(synthesis: Synthesis) -> None:
    statements = synthesis.asynchronous.statements("Outcomes/Role")
    assert "JobsTable" in with_action(statements, "dynamodb:UpdateItem")["Resource"]["Fn::ImportValue"]
    assert "Webhooks" in with_action(statements, "sqs:SendMessage")["Resource"]["Fn::ImportValue"]
    assert "sagemaker" not in json.dumps(statements)
    assert "open-jobs" not in json.dumps(statements)


def test_logs_of_the_endpoint_are_kept_as_long_as_the_others(synthesis: Synthesis) -> None:
    group = synthesis.asynchronous.at("EndpointLogs")
    name = f"/aws/sagemaker/Endpoints/twin-{synthesis.environment.name}-asynchronous"
    assert group["LogGroupName"] == name
    assert group["RetentionInDays"] == synthesis.environment.logs.retention_days


def test_without_the_section_there_is_no_endpoint_and_no_way_to_it(prod: Synthesis, compose: Compose) -> None:
    templates = compose(prod, {"asynchronous": None})
    variables = templates["api"].at("Orchestrator/Function")["Environment"]["Variables"]
    assert "asynchronous" not in templates
    assert variables["ASYNC_ENDPOINT_NAME"] == variables["ASYNC_REQUEST_TTL_SECONDS"] == ""
    assert "InvokeEndpointAsync" not in templates["api"].text()
