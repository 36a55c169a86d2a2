"""The S3 Vectors HTTP API (rest-json): `POST /<Operation>`, and tags under `/tags/<ARN>`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from twin.local.services import wire
from twin.local.services.errors import ServiceError
from twin.local.services.shapes import load_shapes
from twin.local.services.storage import Record
from twin.local.services.vectors import control, data
from twin.local.services.vectors.errors import invalid_fields
from twin.local.services.vectors.state import VectorsState

MAX_REQUEST_BYTES = 20 * 1024 * 1024

Operation = Callable[[VectorsState, Mapping[str, Any]], Record | None]

_OPERATIONS: dict[str, Operation] = {
    "CreateVectorBucket": control.create_vector_bucket,
    "GetVectorBucket": control.get_vector_bucket,
    "ListVectorBuckets": control.list_vector_buckets,
    "DeleteVectorBucket": control.delete_vector_bucket,
    "PutVectorBucketPolicy": control.put_vector_bucket_policy,
    "GetVectorBucketPolicy": control.get_vector_bucket_policy,
    "DeleteVectorBucketPolicy": control.delete_vector_bucket_policy,
    "PutVectorBucketDefaultIndexMode": control.put_default_index_mode,
    "CreateIndex": control.create_index,
    "GetIndex": control.get_index,
    "ListIndexes": control.list_indexes,
    "DeleteIndex": control.delete_index,
    "UpdateIndexMode": control.update_index_mode,
    "PutVectors": data.put_vectors,
    "GetVectors": data.get_vectors,
    "ListVectors": data.list_vectors,
    "DeleteVectors": data.delete_vectors,
    "QueryVectors": data.query_vectors,
    "ListTagsForResource": control.list_tags,
    "TagResource": control.tag_resource,
    "UntagResource": control.untag_resource,
}
_TAG_METHODS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
# Checked while they are turned into arrays: 500 vectors of 384 numbers are too many for a walk in Python.
_OPAQUE = frozenset({"Float32VectorData"})


def run(state: VectorsState, operation: str, request: Mapping[str, Any]) -> Record | None:
    """Validate a request against the service model and carry it out."""
    shapes = load_shapes("s3vectors", frozenset(_OPERATIONS), _OPAQUE)
    violations = shapes.violations(operation, request)
    if violations:
        raise invalid_fields(violations)
    return _OPERATIONS[operation](state, request)


def create_app(state: VectorsState) -> wire.ASGIApp:
    """The service as an ASGI app."""

    async def app(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        try:
            body = await wire.read_body(receive, MAX_REQUEST_BYTES)
            operation, request = _parse(scope, body)
            await wire.send_json(send, run(state, operation, request))
        except wire.BodyTooLargeError:
            message = f"The request is larger than {MAX_REQUEST_BYTES} bytes"
            await _send_error(send, ServiceError("ValidationException", message, 413))
        except ServiceError as error:
            await _send_error(send, error)
        except wire.ClientGoneError:
            return

    return app


def _parse(scope: wire.Scope, body: bytes) -> tuple[str, dict[str, Any]]:
    path, method = scope["path"], scope["method"]
    if path.startswith("/tags/") and method in _TAG_METHODS:
        raw = scope.get("raw_path") or path.encode()
        arn = unquote(raw.decode("ascii").partition("?")[0].removeprefix("/tags/"))
        request = {**wire.parse_json(body), "resourceArn": arn}
        keys = parse_qs(scope["query_string"].decode("ascii")).get("tagKeys")
        return _TAG_METHODS[method], {**request, "tagKeys": keys} if keys else request
    operation = path.removeprefix("/")
    if method != "POST" or operation not in _OPERATIONS:
        raise ServiceError("UnknownOperationException", f"No operation for {method} {path}", 404)
    return operation, wire.parse_json(body)


async def _send_error(send: wire.Send, error: ServiceError) -> None:
    body = json.dumps({"message": error.message, **error.members}).encode()
    headers = {"content-type": "application/json", "x-amzn-errortype": error.code}
    await wire.send_body(send, error.status, body, headers)
