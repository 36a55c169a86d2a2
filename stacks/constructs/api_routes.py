"""The keyed routes of the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway

GENERATION_TIMEOUT = cdk.Duration.minutes(15)
"""The longest that API Gateway streams one response."""

QUICK_TIMEOUT = cdk.Duration.seconds(29)


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path, how long it may take, and whether its body is always a JSON object."""

    method: str
    path: str
    timeout: cdk.Duration = QUICK_TIMEOUT
    takes_json: bool = False


ROUTES = (
    Route("POST", "v1/chat/completions", GENERATION_TIMEOUT, takes_json=True),
    Route("GET", "v1/models"),
    Route("POST", "v1/responses", GENERATION_TIMEOUT, takes_json=True),
    Route("GET", "v1/responses/{response_id}"),
    Route("DELETE", "v1/responses/{response_id}"),
    Route("POST", "v1/responses/{response_id}/cancel"),
    # A form, or JSON that asks for an address to upload to.
    Route("POST", "v1/files", GENERATION_TIMEOUT),
    Route("GET", "v1/files"),
    Route("GET", "v1/files/{file_id}"),
    Route("DELETE", "v1/files/{file_id}"),
    Route("GET", "v1/files/{file_id}/content", GENERATION_TIMEOUT),
    Route("POST", "v1/batches", takes_json=True),
    Route("GET", "v1/batches"),
    Route("GET", "v1/batches/{batch_id}"),
    Route("POST", "v1/batches/{batch_id}/cancel"),
)


def add_routes(
    root: apigateway.IResource,
    routes: Sequence[Route],
    *,
    keyed: apigateway.MethodOptions,
    json_object: apigateway.IModel,
    validator: apigateway.IRequestValidator,
    integrate: Callable[[cdk.Duration], apigateway.Integration],
) -> None:
    """Add the routes; a body that should be a JSON object and is none is refused before the function runs."""
    for route in routes:
        resource = root.resource_for_path(route.path)
        resource.add_method(
            route.method,
            integrate(route.timeout),
            api_key_required=keyed.api_key_required,
            authorizer=keyed.authorizer,
            request_models={"application/json": json_object} if route.takes_json else None,
            request_validator=validator if route.takes_json else None,
        )
