"""The API stack."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from stacks.constructs.error_responses import RESPONSES
from tests.stacks.synthesis import ROOT, Synthesis
from tests.stacks.templates import Template, as_list, with_action

QUICK, LONG = 29_000, 900_000
KEYED = {
    "v1/chat/completions/POST": LONG,
    "v1/models/GET": QUICK,
    "v1/responses/POST": LONG,
    "v1/responses/{response_id}/GET": QUICK,
    "v1/responses/{response_id}/DELETE": QUICK,
    "v1/responses/{response_id}/cancel/POST": QUICK,
    "v1/files/POST": LONG,
    "v1/files/GET": QUICK,
    "v1/files/{file_id}/GET": QUICK,
    "v1/files/{file_id}/DELETE": QUICK,
    "v1/files/{file_id}/content/GET": LONG,
    "v1/batches/POST": QUICK,
    "v1/batches/GET": QUICK,
    "v1/batches/{batch_id}/GET": QUICK,
    "v1/batches/{batch_id}/cancel/POST": QUICK,
}
ROUTES = {**KEYED, "health/GET": QUICK}
JSON_ALONE = ("v1/chat/completions/POST", "v1/responses/POST", "v1/batches/POST")


@pytest.fixture
def api(synthesis: Synthesis) -> Template:
    return synthesis.api


def method(api: Template, route: str) -> dict[str, Any]:
    found: dict[str, Any] = api.at(f"Api/RestApi/Default/{route}")
    return found


def gateway_response(api: Template, kind: str) -> dict[str, Any]:
    [found] = [
        properties
        for properties in api.properties("AWS::ApiGateway::GatewayResponse")
        if properties["ResponseType"] == kind
    ]
    return dict(found)


def test_api_is_regional_and_takes_its_keys_from_the_authorizer(api: Template) -> None:
    rest_api = api.only("AWS::ApiGateway::RestApi")
    assert rest_api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert rest_api["ApiKeySourceType"] == "AUTHORIZER"


def test_there_are_no_other_routes(api: Template) -> None:
    assert len(api.resources("AWS::ApiGateway::Method")) == len(ROUTES)


def test_the_document_begins_with_every_route() -> None:
    """In its first table a method without a path shares the next one's."""
    table = (ROOT / "docs" / "api.md").read_text().partition("|---|---|\n")[2].partition("\n\n")[0]
    found: set[str] = set()
    methods: list[str] = []
    for cells in table.splitlines():
        for method, path in re.findall(r"`([A-Z]+)(?: (/\S+))?`", cells.split("|")[1]):
            methods.append(method)
            if path:
                found |= {f"{path.removeprefix('/')}/{method}" for method in methods}
                methods = []
    assert found == {re.sub(r"\{\w+\}", "{id}", route) for route in ROUTES}


@pytest.mark.parametrize(("route", "timeout"), ROUTES.items())
def test_routes_stream_from_the_orchestrator(api: Template, route: str, timeout: int) -> None:
    orchestrator, _ = api.find("Orchestrator/Function")
    integration = method(api, route)["Integration"]
    assert integration["ResponseTransferMode"] == "STREAM"
    assert integration["TimeoutInMillis"] == timeout
    assert integration["Type"] == "AWS_PROXY"
    assert integration["Uri"]["Fn::Join"][1] == [
        "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/",
        {"Fn::GetAtt": [orchestrator, "Arn"]},
        "/response-streaming-invocations",
    ]


@pytest.mark.parametrize("route", KEYED)
def test_routes_need_a_key(api: Template, route: str) -> None:
    found = method(api, route)
    assert found["ApiKeyRequired"] is True
    assert found["AuthorizationType"] == "CUSTOM"


def test_health_needs_none(api: Template) -> None:
    found = method(api, "health/GET")
    assert found["AuthorizationType"] == "NONE"
    assert "ApiKeyRequired" not in found


@pytest.mark.parametrize("route", JSON_ALONE)
def test_a_body_that_is_no_json_object_is_refused_before_the_function_runs(api: Template, route: str) -> None:
    found = method(api, route)
    [(model_id, model)] = api.resources("AWS::ApiGateway::Model").items()
    [validator_id] = api.resources("AWS::ApiGateway::RequestValidator")
    assert found["RequestModels"] == {"application/json": {"Ref": model_id}}
    assert found["RequestValidatorId"] == {"Ref": validator_id}
    assert model["Properties"]["Schema"]["type"] == "object"
    assert api.only("AWS::ApiGateway::RequestValidator")["ValidateRequestBody"] is True


@pytest.mark.parametrize("route", sorted(set(ROUTES) - set(JSON_ALONE)))
def test_a_form_or_an_empty_body_comes_through(api: Template, route: str) -> None:
    assert not {"RequestModels", "RequestValidatorId"} & set(method(api, route))


def test_only_forms_are_bytes(api: Template) -> None:
    """A type that JSON requests match too would hand every request to the function in base64."""
    assert api.only("AWS::ApiGateway::RestApi")["BinaryMediaTypes"] == ["multipart/form-data"]


def test_authorizer_reads_the_bearer_token(api: Template) -> None:
    authorizer = api.only("AWS::ApiGateway::Authorizer")
    assert authorizer["Type"] == "TOKEN"
    assert authorizer["IdentitySource"] == "method.request.header.Authorization"
    assert authorizer["IdentityValidationExpression"] == r"^[Bb]earer \S{20,128}$"


def test_stage_logs_traces_and_throttles(synthesis: Synthesis) -> None:
    stage = synthesis.api.only("AWS::ApiGateway::Stage")
    throttle = synthesis.environment.api.throttle
    [settings] = stage["MethodSettings"]
    assert stage["TracingEnabled"] is True
    assert stage["StageName"] == synthesis.environment.api.stage
    assert settings["ThrottlingRateLimit"] == throttle.rate_per_second
    assert settings["ThrottlingBurstLimit"] == throttle.burst
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("ERROR", False)
    assert "AccessLogs" in str(stage["AccessLogSetting"]["DestinationArn"])


def test_execution_logs_are_kept_no_longer_than_the_others(synthesis: Synthesis) -> None:
    api = synthesis.api
    group_id, group = api.find("Api/ExecutionLogs")
    rest_api, _ = api.find("Api/RestApi")
    name = group["Properties"]["LogGroupName"]["Fn::Join"][1]
    assert name == ["API-Gateway-Execution-Logs_", {"Ref": rest_api}, f"/{synthesis.environment.api.stage}"]
    assert group["Properties"]["RetentionInDays"] == synthesis.environment.logs.retention_days
    [stage] = api.resources("AWS::ApiGateway::Stage").values()
    assert group_id in stage["DependsOn"]


def test_access_log_is_json_without_keys_or_content(api: Template) -> None:
    logged = json.loads(api.only("AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])
    assert {"request_id", "status", "latency_ms", "key_id", "error_type"} <= set(logged)
    assert "$context.identity.apiKey" not in logged.values()
    assert not [value for value in logged.values() if "authorizer" in value or "body" in value]


def test_each_tier_is_a_usage_plan(synthesis: Synthesis) -> None:
    plans = {plan["UsagePlanName"]: plan for plan in synthesis.api.properties("AWS::ApiGateway::UsagePlan")}
    tiers = synthesis.environment.api.tiers
    assert set(plans) == {f"twin-{synthesis.environment.name}-{name}" for name in tiers}
    for name, tier in tiers.items():
        plan = plans[f"twin-{synthesis.environment.name}-{name}"]
        assert plan["Throttle"] == {"RateLimit": tier.rate_per_second, "BurstLimit": tier.burst}
        assert plan["Quota"] == {"Limit": tier.quota_per_day, "Period": "DAY"}
        assert len(plan["ApiStages"]) == 1


def test_each_client_is_a_key_of_its_tier_whose_value_no_template_knows(synthesis: Synthesis) -> None:
    api = synthesis.api
    clients = synthesis.environment.api.clients
    keys = {
        resource["Properties"]["Name"]: logical_id
        for logical_id, resource in api.resources("AWS::ApiGateway::ApiKey").items()
    }
    plans = {
        resource["Properties"]["UsagePlanName"]: logical_id
        for logical_id, resource in api.resources("AWS::ApiGateway::UsagePlan").items()
    }
    members = {
        (member["KeyId"]["Ref"], member["UsagePlanId"]["Ref"])
        for member in api.properties("AWS::ApiGateway::UsagePlanKey")
    }
    prefix = f"twin-{synthesis.environment.name}"
    assert members == {
        (keys[f"{prefix}-{client}"], plans[f"{prefix}-{tier}"]) for client, tier in clients.items()
    }
    assert not [key for key in api.properties("AWS::ApiGateway::ApiKey") if "Value" in key]


def test_a_client_of_another_tier_gets_another_key(prod: Synthesis) -> None:
    """A key has one plan for a stage, and CloudFormation would join the new plan before it leaves the old."""
    clients = prod.environment.api.clients
    for client, tier in clients.items():
        _, key = prod.api.find(f"UsagePlans/Plan-{tier}/Key-{client}")
        assert key["Properties"]["Name"] == f"twin-prod-{client}"
    assert len(clients) == len(prod.api.resources("AWS::ApiGateway::ApiKey"))


def test_every_gateway_error_has_openais_shape(api: Template) -> None:
    responses = api.properties("AWS::ApiGateway::GatewayResponse")
    assert len(responses) == len(RESPONSES)
    for response in responses:
        template = response["ResponseTemplates"]["application/json"]
        # API Gateway puts a quoted text in the place of this variable.
        error = json.loads(template.replace("$context.error.messageString", '"said by the gateway"'))["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        assert not {"aws", "arn:", "lambda"} & set(error["message"].lower().split())


def test_an_unknown_url_is_answered_with_the_collections_there_are(api: Template) -> None:
    """A `{` would begin an id; what stands before it is the collection."""
    collections = {f"/{route.rpartition('/')[0].partition('/{')[0]}" for route in ROUTES}
    template = gateway_response(api, "MISSING_AUTHENTICATION_TOKEN")["ResponseTemplates"]["application/json"]
    named = set(re.findall(r"/[a-z0-9/]+", json.loads(template)["error"]["message"]))
    assert named == collections


def test_a_body_that_is_too_large_is_told_the_way_for_files(api: Template) -> None:
    template = gateway_response(api, "REQUEST_TOO_LARGE")["ResponseTemplates"]["application/json"]
    assert "A file above 4 MiB is announced to POST /v1/files" in json.loads(template)["error"]["message"]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("UNAUTHORIZED", "401", "invalid_api_key"),
        ("INVALID_API_KEY", "401", "invalid_api_key"),
        ("ACCESS_DENIED", "403", "permission_denied"),
        ("MISSING_AUTHENTICATION_TOKEN", "404", "unknown_url"),
        ("REQUEST_TOO_LARGE", "413", "request_too_large"),
        ("THROTTLED", "429", "rate_limit_exceeded"),
        ("QUOTA_EXCEEDED", "429", "insufficient_quota"),
        ("INTEGRATION_FAILURE", "502", "upstream_error"),
        ("INTEGRATION_TIMEOUT", "504", "timeout"),
    ],
)
def test_gateway_errors_have_the_status_that_sdks_expect(
    api: Template, kind: str, status: str, code: str
) -> None:
    response = gateway_response(api, kind)
    assert response["StatusCode"] == status
    assert json.loads(response["ResponseTemplates"]["application/json"])["error"]["code"] == code


def test_throttled_clients_are_told_when_to_retry(api: Template) -> None:
    assert gateway_response(api, "THROTTLED")["ResponseParameters"] == {
        "gatewayresponse.header.Retry-After": "'1'"
    }


def test_clients_over_quota_are_told_not_to_retry_by_themselves(api: Template) -> None:
    parameters = gateway_response(api, "QUOTA_EXCEEDED")["ResponseParameters"]
    assert parameters["gatewayresponse.header.x-should-retry"] == "'false'"
    assert parameters["gatewayresponse.header.Retry-After"] == "'3600'"


@pytest.mark.parametrize("kind", ["INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "DEFAULT_5XX"])
def test_a_generation_that_may_have_begun_is_not_sent_twice(api: Template, kind: str) -> None:
    parameters = gateway_response(api, kind)["ResponseParameters"]
    assert parameters == {"gatewayresponse.header.x-should-retry": "'false'"}


@pytest.mark.parametrize("kind", ["DEFAULT_4XX", "DEFAULT_5XX"])
def test_default_errors_keep_their_status(api: Template, kind: str) -> None:
    assert "StatusCode" not in gateway_response(api, kind)


def test_orchestrator_runs_under_the_web_adapter(api: Template) -> None:
    function = api.at("Orchestrator/Function")
    layer, _ = api.find("Retrieval")
    assert function["Handler"] == "run.sh"
    assert {"Ref": layer} in function["Layers"]
    assert "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:27" in function["Layers"]
    assert len(function["Layers"]) == 2
    assert function["Timeout"] == 900
    variables = function["Environment"]["Variables"]
    assert variables["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/bootstrap"
    assert variables["AWS_LWA_INVOKE_MODE"] == "response_stream"


def test_orchestrator_calls_one_endpoint_and_searches_one_index(synthesis: Synthesis) -> None:
    statements = synthesis.api.statements("Orchestrator/Role")
    name, account = synthesis.environment.name, synthesis.environment.account
    invoke = with_action(statements, "sagemaker:InvokeEndpoint")
    assert invoke["Resource"] == [
        f"arn:aws:sagemaker:us-east-1:{account}:endpoint/twin-{name}-realtime",
        f"arn:aws:sagemaker:us-east-1:{account}:inference-component/twin-{name}-realtime-model",
    ]
    search = with_action(statements, "s3vectors:QueryVectors")
    assert search["Action"] == ["s3vectors:GetVectors", "s3vectors:QueryVectors"]
    assert not [entry for entry in statements if "s3:" in str(entry["Action"])]


def test_orchestrator_hands_requests_to_the_asynchronous_endpoint_alone(synthesis: Synthesis) -> None:
    name, account = synthesis.environment.name, synthesis.environment.account
    invoke = with_action(synthesis.api.statements("Orchestrator/Role"), "sagemaker:InvokeEndpointAsync")
    assert as_list(invoke["Action"]) == ["sagemaker:InvokeEndpointAsync"]
    assert invoke["Resource"] == (f"arn:aws:sagemaker:us-east-1:{account}:endpoint/twin-{name}-asynchronous")


def test_orchestrator_starts_batches_and_stops_their_transform_jobs(synthesis: Synthesis) -> None:
    name, account = synthesis.environment.name, synthesis.environment.account
    statements = synthesis.api.statements("Orchestrator/Role")
    start = with_action(statements, "states:StartExecution")
    stop = with_action(statements, "sagemaker:StopTransformJob")
    assert start["Resource"] == f"arn:aws:states:us-east-1:{account}:stateMachine:twin-{name}-batch"
    assert as_list(start["Action"]) == ["states:StartExecution"]
    assert as_list(stop["Action"]) == ["sagemaker:StopTransformJob"]
    assert stop["Resource"] == (
        f"arn:aws:sagemaker:us-east-1:{account}:transform-job/twin-{name}-{'?' * 32}-?"
    )


def test_orchestrator_sees_records_by_owner_and_no_list_of_all(synthesis: Synthesis) -> None:
    statements = synthesis.api.statements("Orchestrator/Role")
    records = with_action(statements, "dynamodb:Query")
    assert records["Action"] == [
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    ]
    assert "JobsTable" in records["Resource"]["Fn::ImportValue"]
    assert "open-jobs" not in json.dumps(statements)


def test_logging_role_and_setting_outlive_the_stack(api: Template) -> None:
    _, role = api.find("Api/LoggingRole")
    _, account = api.find("Api/Account")
    assert role["DeletionPolicy"] == account["DeletionPolicy"] == "Retain"


def test_firewall_stands_before_the_stage_and_reads_no_body(synthesis: Synthesis) -> None:
    api = synthesis.api
    acl, properties = api.find("Firewall/Acl")
    assert api.only("AWS::WAFv2::WebACLAssociation")["WebACLArn"] == {"Fn::GetAtt": [acl, "Arn"]}
    rules = properties["Properties"]["Rules"]
    assert [rule["Name"] for rule in rules] == ["reputation", "rate"]
    assert (
        rules[1]["Statement"]["RateBasedStatement"]["Limit"] == synthesis.environment.api.requests_per_address
    )
    assert "Body" not in json.dumps(rules)


def test_outputs_lead_to_the_api(api: Template) -> None:
    outputs = api.body["Outputs"]
    assert outputs["ApiUrl"]["Value"]["Fn::Join"][1][-1] == "/"
    assert "ApiId" in outputs
