"""The REST API that speaks OpenAI's protocol."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.api_routes import QUICK_TIMEOUT, ROUTES, add_routes
from stacks.constructs.checks import acknowledge
from stacks.constructs.delivery_rights import DeliveryRights
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.error_responses import add_error_responses
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.python_function import PythonFunction
from stacks.naming import Names
from twin.settings import Environment

_AUTHORIZATION_CACHE = cdk.Duration.minutes(5)
"""The cached answer only names the key; API Gateway checks the key itself on every request."""

_LOG_FIELDS = {
    "request_id": "$context.requestId",
    "trace_id": "$context.xrayTraceId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "key_id": "$context.identity.apiKeyId",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integration.latency",
    "response_bytes": "$context.responseLength",
    "error_type": "$context.error.responseType",
    "firewall": "$context.waf.status",
}


class ChatApi(Construct):
    """Keyed routes and `GET /health`, all streamed from one function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        orchestrator: PythonFunction,
        authorizer: PythonFunction,
        key: EncryptionKey,
        delivery: DeliveryRights,
    ) -> None:
        super().__init__(scope, construct_id)
        self._function = orchestrator.function
        self.rest_api = apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=Names(environment.name).api,
            description="OpenAI-compatible API of the twin",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # Uploads are bytes, which may be no text; every other request stays the text that it is.
            binary_media_types=["multipart/form-data"],
            # The authorizer hands API Gateway the Bearer token as the API key.
            api_key_source_type=apigateway.ApiKeySourceType.AUTHORIZER,
            cloud_watch_role=False,
            deploy_options=self._stage(environment, key),
        )
        self._allow_logging(delivery)
        self._keep_execution_logs(environment, key)
        add_error_responses(self.rest_api)
        self._add_routes(self._keyed(authorizer))

    @property
    def stage(self) -> apigateway.Stage:
        """The deployed stage."""
        return self.rest_api.deployment_stage

    def _stage(self, environment: Environment, key: EncryptionKey) -> apigateway.StageOptions:
        access_logs = encrypted_log_group(self, "AccessLogs", settings=environment.logs, key=key)
        return apigateway.StageOptions(
            stage_name=environment.api.stage,
            access_log_destination=apigateway.LogGroupLogDestination(access_logs),
            access_log_format=apigateway.AccessLogFormat.custom(
                cdk.Stack.of(self).to_json_string(_LOG_FIELDS)
            ),
            # Full execution logs would hold prompts and keys.
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,
            metrics_enabled=True,
            tracing_enabled=True,
            throttling_rate_limit=environment.api.throttle.rate_per_second,
            throttling_burst_limit=environment.api.throttle.burst,
        )

    def _allow_logging(self, delivery: DeliveryRights) -> None:
        """Give API Gateway its account-wide logging role. It outlives the stack: other APIs use it too."""
        role = iam.Role(
            self,
            "LoggingRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        )
        delivery.grant(role)
        role.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        account.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.stage.node.add_dependency(account)

    def _keep_execution_logs(self, environment: Environment, key: EncryptionKey) -> None:
        """Make the log group before API Gateway does, which would neither encrypt it nor ever empty it."""
        group = encrypted_log_group(
            self,
            "ExecutionLogs",
            settings=environment.logs,
            key=key,
            name=f"API-Gateway-Execution-Logs_{self.rest_api.rest_api_id}/{environment.api.stage}",
        )
        self.stage.node.add_dependency(group)

    def _keyed(self, authorizer: PythonFunction) -> apigateway.MethodOptions:
        return apigateway.MethodOptions(
            api_key_required=True,
            authorizer=apigateway.TokenAuthorizer(
                self,
                "Authorizer",
                handler=authorizer.function,
                validation_regex=r"^[Bb]earer \S{20,128}$",
                results_cache_ttl=_AUTHORIZATION_CACHE,
            ),
        )

    def _add_routes(self, keyed: apigateway.MethodOptions) -> None:
        add_routes(
            self.rest_api.root,
            ROUTES,
            keyed=keyed,
            json_object=self._json_object(),
            validator=apigateway.RequestValidator(
                self,
                "Validator",
                rest_api=self.rest_api,
                validate_request_body=True,
                validate_request_parameters=True,
            ),
            integrate=self._integration,
        )
        health = self.rest_api.root.add_resource("health").add_method(
            "GET", self._integration(QUICK_TIMEOUT), authorization_type=apigateway.AuthorizationType.NONE
        )
        acknowledge(
            health,
            "APIG4",
            risk="Anyone can call GET /health, and each call runs the function. It tells only that the API "
            "is up; the stage's throttle and the firewall's rate limit bound what such calls cost.",
        )
        acknowledge(
            self.rest_api,
            "COG4",
            risk="Keys are long-lived secrets that a client can leak, where a user pool's tokens expire. "
            "OpenAI's SDKs can only send a key; usage plans bound what a leaked one can do, and deleting it "
            "ends its use at once.",
        )

    def _json_object(self) -> apigateway.Model:
        """Any JSON object: the function knows the fields, and names the wrong one."""
        return self.rest_api.add_model(
            "JsonObject",
            content_type="application/json",
            schema=apigateway.JsonSchema(
                schema=apigateway.JsonSchemaVersion.DRAFT4, type=apigateway.JsonSchemaType.OBJECT
            ),
        )

    def _integration(self, timeout: cdk.Duration) -> apigateway.LambdaIntegration:
        """Every route streams: in its streaming mode the Web Adapter answers no other kind of invocation."""
        return apigateway.LambdaIntegration(
            self._function,
            response_transfer_mode=apigateway.ResponseTransferMode.STREAM,
            timeout=timeout,
            scope_permission_to_method=False,
        )
