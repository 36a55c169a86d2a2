"""The batch stack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.constructs.batch_model import container_environment, lmi_environment
from stacks.constructs.hosted_model import vllm_environment
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Template, as_list, with_action
from twin.settings.batch import BatchSettings, TransformImage

DIGITS = "?" * 32


def settings(synthesis: Synthesis) -> BatchSettings:
    batch = synthesis.environment.batch
    assert batch is not None
    return batch


def definition(template: Template) -> dict[str, Any]:
    """The state machine's definition, with `<LogicalId.Attribute>` or the export's name for references."""
    given = template.only("AWS::StepFunctions::StateMachine")["DefinitionString"]
    parts = [part if isinstance(part, str) else reference(part) for part in given["Fn::Join"][1]]
    parsed: dict[str, Any] = json.loads("".join(parts))
    return parsed


def reference(part: dict[str, Any]) -> str:
    [(kind, value)] = part.items()
    return f"<{'.'.join(value)}>" if kind == "Fn::GetAtt" else f"<{value}>"


def parameters(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = definition(template)["States"]["Transform"]["Parameters"]
    return found


def test_definition_calls_the_stacks_functions_and_model(synthesis: Synthesis) -> None:
    batch = synthesis.batch
    states = definition(batch)["States"]
    steps, _ = batch.find("Steps/Function")
    augment, _ = batch.find("Augment/Function")
    model, _ = batch.find("Model/Model")
    for name in ("Validate", "Prepare", "Join", "Finish"):
        assert states[name]["Resource"] == f"<{steps}.Arn>"
    shard = states["Augment"]["ItemProcessor"]["States"]["AugmentShard"]
    assert shard["Resource"] == f"<{augment}.Arn>"
    assert parameters(batch)["ModelName"] == f"<{model}.ModelName>"


def test_null_in_the_definition_reaches_the_template(synthesis: Synthesis) -> None:
    """Where null is lost, a result replaces the input instead of being discarded."""
    states = definition(synthesis.batch)["States"]
    assert states["Begin"]["Parameters"]["failure"] is None
    assert states["Begin"]["Parameters"]["joined"] == {"counts": None}
    assert states["Augment"]["ResultPath"] is None
    assert states["Transform"]["ResultPath"] is None
    assert states["Augment"]["ItemProcessor"]["States"]["AugmentShard"]["OutputPath"] is None


def test_transform_job_follows_the_settings(synthesis: Synthesis) -> None:
    batch, given = settings(synthesis), parameters(synthesis.batch)
    assert given["TransformResources"] == {
        "InstanceType": batch.instance_type,
        "InstanceCount": batch.instances,
        "TransformAmiVersion": "al2-ami-sagemaker-batch-gpu-535",
    }
    assert given["MaxConcurrentTransforms"] == batch.concurrent_requests_per_instance
    assert given["MaxConcurrentTransforms"] * given["MaxPayloadInMB"] <= 100
    assert {tag["Key"]: tag["Value"] for tag in given["Tags"]} == {
        "project": "llm-twin-stack",
        "environment": synthesis.environment.name,
        "stack": "batch",
    }


def test_transform_job_reads_and_writes_in_the_exchange_bucket_under_the_key(synthesis: Synthesis) -> None:
    given = parameters(synthesis.batch)
    source = given["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri.$"]
    target = given["TransformOutput"]["S3OutputPath.$"]
    for path, folder in ((source, "transform"), (target, "transformed")):
        bucket, _, rest = path.removeprefix("States.Format('s3://<").partition(">")
        assert "Exchange" in bucket
        assert rest == f"/jobs/batches/{{}}/{folder}/', $$.Execution.Name)"
    assert "EncryptionKey" in given["TransformOutput"]["KmsKeyId"]


def test_no_volume_key_is_asked_for_on_hosts_with_disks_of_their_own(synthesis: Synthesis) -> None:
    assert "VolumeKmsKeyId" not in synthesis.batch.text()


def test_model_is_an_archive_in_an_isolated_container(synthesis: Synthesis) -> None:
    model, batch = synthesis.batch.only("AWS::SageMaker::Model"), settings(synthesis)
    assert model["EnableNetworkIsolation"] is True
    assert len(model["VpcConfig"]["Subnets"]) == len(synthesis.environment.network.availability_zones)
    assert "ModelName" not in model
    container = model["PrimaryContainer"]
    assert container["ModelDataUrl"] == batch.model_data_url
    assert "ModelDataSource" not in container
    assert json.dumps(container["Image"]).endswith(f'/{batch.image.repository}:{batch.image.tag}"]]}}')


def test_container_knows_the_model_by_the_name_that_clients_send(synthesis: Synthesis) -> None:
    environment = synthesis.batch.only("AWS::SageMaker::Model")["PrimaryContainer"]["Environment"]
    model = synthesis.environment.model
    batch = settings(synthesis)
    assert environment == lmi_environment(
        model, batch.instance.gpus, timeout_seconds=batch.invocation_timeout_seconds
    )
    assert environment["OPTION_PREDICT_TIMEOUT"] == str(batch.invocation_timeout_seconds)
    assert environment["OPTION_SERVED_MODEL_NAME"] == model.id
    assert environment["OPTION_MAX_ROLLING_BATCH_SIZE"] == str(model.max_num_seqs)
    assert environment["HF_MODEL_ID"] == "/opt/ml/model"


def test_lmi_quantizes_only_what_is_not_quantized_yet(prod: Synthesis) -> None:
    model = prod.environment.model
    expected = {"none": None, "fp8": "fp8", "bitsandbytes": "bitsandbytes", "awq": None, "gptq": None}
    for quantization, option in expected.items():
        environment = lmi_environment(
            model.model_copy(update={"quantization": quantization}), 4, timeout_seconds=60
        )
        assert environment.get("OPTION_QUANTIZE") == option
        assert environment["OPTION_TENSOR_PARALLEL_DEGREE"] == "4"


def test_both_containers_get_the_same_limits(prod: Synthesis) -> None:
    model = prod.environment.model
    lmi, vllm = lmi_environment(model, 1, timeout_seconds=60), vllm_environment(model, 1)
    for option, argument in {
        "OPTION_SERVED_MODEL_NAME": "SM_VLLM_SERVED_MODEL_NAME",
        "OPTION_MAX_MODEL_LEN": "SM_VLLM_MAX_MODEL_LEN",
        "OPTION_MAX_ROLLING_BATCH_SIZE": "SM_VLLM_MAX_NUM_SEQS",
        "OPTION_DTYPE": "SM_VLLM_DTYPE",
        "OPTION_GPU_MEMORY_UTILIZATION": "SM_VLLM_GPU_MEMORY_UTILIZATION",
        "OPTION_ENABLE_PREFIX_CACHING": "SM_VLLM_ENABLE_PREFIX_CACHING",
        "OPTION_TENSOR_PARALLEL_DEGREE": "SM_VLLM_TENSOR_PARALLEL_SIZE",
    }.items():
        assert lmi[option] == vllm[argument]


def test_state_machine_is_standard_named_traced_and_logged_without_data(synthesis: Synthesis) -> None:
    machine = synthesis.batch.only("AWS::StepFunctions::StateMachine")
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["StateMachineName"] == f"twin-{synthesis.environment.name}-batch"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    logs = synthesis.batch.at("Workflow/Logs")
    assert logs["LogGroupName"] == f"/aws/vendedlogs/states/twin-{synthesis.environment.name}-batch"
    assert "EncryptionKey" in json.dumps(logs["KmsKeyId"])


def test_state_machine_waits_for_its_rights(synthesis: Synthesis) -> None:
    policy, _ = synthesis.batch.find("Workflow/Role/DefaultPolicy")
    [machine] = synthesis.batch.resources("AWS::StepFunctions::StateMachine").values()
    assert policy in machine["DependsOn"]


def test_state_machine_may_do_what_its_definition_says_and_no_more(synthesis: Synthesis) -> None:
    allowed = {
        action
        for statement in synthesis.batch.statements("Workflow/Role")
        for action in as_list(statement["Action"])
    }
    assert allowed == {
        "events:DescribeRule",
        "events:PutRule",
        "events:PutTargets",
        "iam:PassRole",
        "lambda:InvokeFunction",
        "sagemaker:AddTags",
        "sagemaker:CreateTransformJob",
        "sagemaker:DescribeTransformJob",
        "sagemaker:ListTags",
        "sagemaker:StopTransformJob",
        "states:DescribeExecution",
        "states:StartExecution",
        "states:StopExecution",
    }


def test_logs_and_traces_are_all_that_the_state_machine_has_beside_its_own_rights(
    synthesis: Synthesis,
) -> None:
    [policy] = synthesis.batch.at("Workflow/Role")["ManagedPolicyArns"]
    assert "DeliveryRights" in policy["Fn::ImportValue"]
    assert "*" not in [statement["Resource"] for statement in synthesis.batch.statements("Workflow/Role")]


def test_only_the_models_role_is_passed_and_only_to_sagemaker(synthesis: Synthesis) -> None:
    statement = with_action(synthesis.batch.statements("Workflow/Role"), "iam:PassRole")
    role, _ = synthesis.batch.find("ExecutionRole/Role")
    assert statement["Resource"] == {"Fn::GetAtt": [role, "Arn"]}
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_jobs_and_executions_are_granted_by_the_digits_of_an_id(synthesis: Synthesis) -> None:
    statements, name = synthesis.batch.statements("Workflow/Role"), synthesis.environment.name
    jobs = with_action(statements, "sagemaker:CreateTransformJob")["Resource"]
    assert jobs.endswith(f":transform-job/twin-{name}-{DIGITS}-?")
    children, executions = sorted(with_action(statements, "states:StopExecution")["Resource"])
    assert executions.endswith(f":execution:twin-{name}-batch:{DIGITS}")
    uuid = "-".join("?" * length for length in (8, 4, 4, 4, 12))
    assert children.endswith(f":execution:twin-{name}-batch/Augment:{uuid}")
    start = with_action(statements, "states:StartExecution")["Resource"]
    assert start.endswith(f":stateMachine:twin-{name}-batch")


def test_functions_are_invoked_at_their_newest_version_alone(synthesis: Synthesis) -> None:
    invoke = with_action(synthesis.batch.statements("Workflow/Role"), "lambda:InvokeFunction")
    functions = {synthesis.batch.find(f"{name}/Function")[0] for name in ("Steps", "Augment")}
    assert {resource["Fn::GetAtt"][0] for resource in invoke["Resource"]} == functions


def test_execution_role_reads_its_archive_alone(synthesis: Synthesis) -> None:
    read = with_action(synthesis.batch.statements("ExecutionRole/Role"), "s3:GetObject")
    assert read["Resource"] == f"arn:aws:s3:::{settings(synthesis).model_data_url.removeprefix('s3://')}"


def test_execution_role_pulls_the_batch_image_alone(synthesis: Synthesis) -> None:
    pull = with_action(synthesis.batch.statements("ExecutionRole/Role"), "ecr:BatchGetImage")
    assert pull["Resource"].endswith(f":repository/{settings(synthesis).image.repository}")


@pytest.mark.parametrize("path", ["Steps", "Augment"])
def test_functions_have_time_and_memory(synthesis: Synthesis, path: str) -> None:
    function = synthesis.batch.at(f"{path}/Function")
    assert function["Timeout"] == 900
    assert function["MemorySize"] >= 1769
    assert function["TracingConfig"] == {"Mode": "Active"}


def test_both_functions_check_requests_but_only_augmenting_searches(synthesis: Synthesis) -> None:
    steps, augment = synthesis.batch.at("Steps/Function"), synthesis.batch.at("Augment/Function")
    assert len(steps["Layers"]) == 1
    assert steps["Layers"] == augment["Layers"]
    assert "s3vectors:QueryVectors" in json.dumps(synthesis.batch.statements("Augment/Role"))
    assert "s3vectors" not in json.dumps(synthesis.batch.statements("Steps/Role"))


def test_only_the_last_step_tells_clients(synthesis: Synthesis) -> None:
    assert "sqs:SendMessage" in json.dumps(synthesis.batch.statements("Steps/Role"))
    assert "sqs:" not in json.dumps(synthesis.batch.statements("Augment/Role"))


def test_functions_cannot_touch_transform_jobs_or_the_model(synthesis: Synthesis) -> None:
    for path in ("Steps", "Augment"):
        assert "sagemaker:" not in json.dumps(synthesis.batch.statements(f"{path}/Role"))


def test_nothing_has_full_access(synthesis: Synthesis) -> None:
    assert "FullAccess" not in synthesis.batch.text()
    assert synthesis.batch.resources("AWS::IAM::User") == {}


def test_the_vllm_image_gets_variables_of_its_own(prod: Synthesis) -> None:
    image = TransformImage(repository="vllm", tag="0.11.0-gpu-py312-cu128-ubuntu22.04-sagemaker")
    batch = settings(prod).model_copy(update={"image": image, "instance_type": "ml.g6e.12xlarge"})
    environment = container_environment(prod.environment.model, batch)
    assert environment == vllm_environment(prod.environment.model, 4)
