"""The jobs stack."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest

import app as application
from stacks.bundles import Bundles
from tests.stacks.composition import Compose
from tests.stacks.synthesis import Synthesis, flags
from tests.stacks.templates import Template, as_list, with_action
from tests.stacks.test_checks import MOST_ACKNOWLEDGEMENTS, acknowledged
from tests.stacks.test_functions import FUNCTIONS, LIMIT
from twin.settings.jobs import MOST_WEBHOOKS, JobSettings
from twin.settings.persona import MAX_PERSONA_BYTES

TOLD = JobSettings(webhooks={"website": "https://example.com/hooks/twin"})


@pytest.fixture
def told(prod: Synthesis, compose: Compose) -> dict[str, Template]:
    """Production with a webhook for one of its clients."""
    return dict(compose(prod, {"jobs": TOLD}))


def test_webhooks_wait_in_an_encrypted_queue_and_are_set_aside_when_attempts_are_used_up(
    synthesis: Synthesis,
) -> None:
    jobs = synthesis.jobs
    queue, dead_letters = jobs.at("Webhooks/Messages"), jobs.find("Webhooks/DeadLetters")
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters[0], "Arn"]},
        "maxReceiveCount": 14,
    }
    for properties in (queue, dead_letters[1]["Properties"]):
        assert "EncryptionKey" in properties["KmsMasterKeyId"]["Fn::ImportValue"]
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_a_batch_of_webhooks_ends_within_the_functions_time(synthesis: Synthesis) -> None:
    jobs = synthesis.jobs
    function, mapping = jobs.at("Notifier/Function"), jobs.only("AWS::Lambda::EventSourceMapping")
    assert function["Handler"] == "jobs.webhooks.handler"
    assert 10 * mapping["BatchSize"] < function["Timeout"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert jobs.at("Webhooks/Messages")["VisibilityTimeout"] == 6 * function["Timeout"]


def test_notifier_sees_neither_records_nor_objects(synthesis: Synthesis) -> None:
    statements = json.dumps(synthesis.jobs.statements("Notifier/Role"))
    shared = json.dumps(synthesis.jobs.at("Notifier/Role")["ManagedPolicyArns"])
    assert not [service for service in ("dynamodb:", "s3:", "states:", "sagemaker:") if service in statements]
    assert "JobObjects" not in shared


def test_notifier_is_outside_the_network_from_which_no_client_can_be_reached(prod: Synthesis) -> None:
    assert prod.environment.network.private_functions
    assert "VpcConfig" not in prod.jobs.at("Notifier/Function")
    assert "VpcConfig" in prod.jobs.at("Sweeper/Function")


def test_sweeper_runs_every_minute_and_is_not_tried_again(synthesis: Synthesis) -> None:
    jobs = synthesis.jobs
    rule, (sweeper, function) = jobs.only("AWS::Events::Rule"), jobs.find("Sweeper/Function")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["State"] == "ENABLED"
    [target] = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [sweeper, "Arn"]}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    assert function["Properties"]["Handler"] == "jobs.sweep.handler"
    assert function["Properties"]["Timeout"] < 60


def test_only_the_rule_may_run_the_sweeper(synthesis: Synthesis) -> None:
    rule, _ = synthesis.jobs.find("EveryMinute")
    permission = synthesis.jobs.only("AWS::Lambda::Permission")
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}


def test_sweeper_finds_open_jobs_of_all_owners(synthesis: Synthesis) -> None:
    queries = [
        statement["Resource"]
        for statement in synthesis.jobs.statements("Sweeper/Role")
        if "dynamodb:Query" in as_list(statement["Action"])
    ]
    assert [resource for resource in queries if "/index/open-jobs" in json.dumps(resource)]
    assert "*" not in json.dumps(queries)


def test_sweeper_looks_after_batches(synthesis: Synthesis) -> None:
    statements, name = synthesis.jobs.statements("Sweeper/Role"), synthesis.environment.name
    account = synthesis.environment.account
    machine = f"arn:aws:states:us-east-1:{account}:stateMachine:twin-{name}-batch"
    start = with_action(statements, "states:StartExecution")
    describe = with_action(statements, "states:DescribeExecution")
    stop = with_action(statements, "sagemaker:StopTransformJob")
    assert start["Resource"] == machine
    assert describe["Resource"] == (
        f"arn:aws:states:us-east-1:{account}:execution:twin-{name}-batch:{'?' * 32}"
    )
    assert stop["Resource"].endswith(f":transform-job/twin-{name}-{'?' * 32}-?")
    variables = synthesis.jobs.at("Sweeper/Function")["Environment"]["Variables"]
    assert variables["BATCH_STATE_MACHINE_ARN"] == machine


def test_without_batches_nobody_may_start_one(prod: Synthesis, compose: Compose) -> None:
    templates = compose(prod, {"batch": None})
    assert "batch" not in templates
    for noun, path in (("jobs", "Sweeper"), ("api", "Orchestrator")):
        statements = json.dumps(templates[noun].statements(f"{path}/Role"))
        assert "states:" not in statements
        assert "StopTransformJob" not in statements
        variables = templates[noun].at(f"{path}/Function")["Environment"]["Variables"]
        assert variables["BATCH_STATE_MACHINE_ARN"] == ""


def test_no_webhook_means_no_secret_and_no_right_to_read_one(prod: Synthesis) -> None:
    assert not prod.environment.jobs.webhooks
    assert "secretsmanager" not in prod.jobs.text()
    variables = prod.jobs.at("Notifier/Function")["Environment"]["Variables"]
    assert variables["WEBHOOKS"] == "{}"
    orchestrator = prod.api.at("Orchestrator/Function")["Environment"]["Variables"]
    assert orchestrator["WEBHOOK_CLIENTS"] == "{}"


def test_secret_of_a_webhook_is_generated_and_encrypted(told: dict[str, Template]) -> None:
    secret = told["jobs"].only("AWS::SecretsManager::Secret")
    assert secret["Name"] == "twin-prod-webhook-website"
    assert secret["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": 48}
    assert "SecretString" not in secret
    assert "EncryptionKey" in secret["KmsKeyId"]["Fn::ImportValue"]


def test_notifier_may_read_that_secret_alone_and_knows_its_arn(told: dict[str, Template]) -> None:
    jobs = told["jobs"]
    [secret] = jobs.resources("AWS::SecretsManager::Secret")
    read = with_action(jobs.statements("Notifier/Role"), "secretsmanager:GetSecretValue")
    assert read["Resource"] == {"Ref": secret}
    given = jobs.at("Notifier/Function")["Environment"]["Variables"]["WEBHOOKS"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in given)
    assert json.loads(text) == {
        "website": {"url": "https://example.com/hooks/twin", "secret_id": f"<{secret}>"}
    }


def test_orchestrator_knows_a_client_with_a_webhook_by_its_key(told: dict[str, Template]) -> None:
    api = told["api"]
    key, _ = api.find("UsagePlans/Plan-partner/Key-website")
    given = api.at("Orchestrator/Function")["Environment"]["Variables"]["WEBHOOK_CLIENTS"]
    assert given == {"Fn::Join": ["", ['{"', {"Ref": key}, '":"website"}']]}


def test_the_longest_persona_and_most_webhooks_fit_in_the_functions_environments(
    prod: Synthesis, compose: Compose
) -> None:
    clients = {f"{'c' * 31}{number}": "standard" for number in range(MOST_WEBHOOKS)}
    persona = prod.environment.persona
    room = MAX_PERSONA_BYTES - len(persona.as_json())
    templates = compose(
        prod,
        {
            "jobs": JobSettings(webhooks=dict.fromkeys(clients, "https://" + "a" * 248)),
            "api": prod.environment.api.model_copy(update={"clients": clients}),
            "persona": persona.model_copy(update={"instructions": persona.instructions + "x" * room}),
        },
    )
    for noun, path in FUNCTIONS:
        variables = templates[noun].at(f"{path}/Function")["Environment"]["Variables"]
        assert sum(len(name) + length(value) for name, value in variables.items()) < LIMIT, path


def length(value: object) -> int:
    """Length of a value; of what only CloudFormation knows, that of the longest of its kind."""
    match value:
        case str():
            return len(value)
        case {"Fn::Join": [_, list(parts)]}:
            return sum(map(length, parts))
        case {"Ref": str(logical_id)} if "Key" in logical_id:
            return 10
        case _:
            return 110


def test_an_environment_with_webhooks_has_no_finding_and_one_acknowledgement_for_all(
    prod: Synthesis, bundles: Bundles
) -> None:
    webhooks = dict.fromkeys(prod.environment.api.clients, "https://example.com/")
    root = cdk.App(context=flags(), analytics_reporting=False)
    settings = {"jobs": JobSettings(webhooks=webhooks)}
    application.compose(root, prod.environment.model_copy(update=settings), bundles)
    root.synth()
    nag = [rule for _, rule, _ in acknowledged(root) if "AwsSolutions-" in rule]
    assert len(nag) <= MOST_ACKNOWLEDGEMENTS
    assert len([rule for rule in nag if "SMG4" in rule]) == 1
