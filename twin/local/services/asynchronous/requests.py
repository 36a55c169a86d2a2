"""InvokeEndpointAsync: what a request may carry, and where its results will lie."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twin.local.services.errors import ServiceError
from twin.local.services.objects import parse_uri
from twin.local.services.runtime.errors import validation
from twin.local.services.storage import Record

MAX_INLINE_BYTES = 128_000
DEFAULT_TTL_SECONDS = 21_600
DEFAULT_TIMEOUT_SECONDS = 900

_PREFIX = "x-amzn-sagemaker-"
_PATTERNS: Mapping[str, tuple[str, int]] = {
    "inputlocation": (r"(https|s3)://([^/]+)/?(.*)", 1024),
    "inference-id": (r"\S[\x20-\x7e]*", 64),
    "filename": (r"(?!.*\..*\.)[a-zA-Z0-9][a-zA-Z0-9-_\.]*", 32),
    "s3outputpathextension": (r"(?!s3:|https:)[a-zA-Z0-9!_.*'()/-]+", 512),
}


@dataclass(frozen=True, slots=True)
class AsyncRequest:
    """One accepted request. Times are seconds since the epoch; locations are S3 addresses."""

    endpoint: str
    inference_id: str
    received: float
    expires: float
    timeout_seconds: int
    input_location: str | None
    output_location: str | None
    failure_location: str | None
    content_type: str | None = None
    accept: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Every field by its name."""
        return asdict(self)


def parse(
    endpoint: str, config: Record, header: Callable[[str], str | None], body: bytes, now: float
) -> AsyncRequest:
    """Read a request for an endpoint whose `AsyncInferenceConfig` is `config`; ValidationError if invalid."""
    given = {name: _matching(name, header(_PREFIX + name)) for name in _PATTERNS}
    location = given["inputlocation"]
    if (location is None) == (not body):
        raise validation("Exactly one of InputLocation and Body must be provided.")
    if len(body) > MAX_INLINE_BYTES:
        raise validation(f"Body must have length less than or equal to {MAX_INLINE_BYTES}, has {len(body)}.")
    if location is not None:
        _require_object(location)
    ttl = _seconds("RequestTTLSeconds", header(_PREFIX + "requestttlseconds"), 60, 21_600)
    timeout = _seconds("InvocationTimeoutSeconds", header(_PREFIX + "invocationtimeoutseconds"), 1, 3600)
    output, failure = _locations(config["OutputConfig"], given["filename"], given["s3outputpathextension"])
    return AsyncRequest(
        endpoint,
        given["inference-id"] or str(uuid.uuid4()),
        now,
        now + (ttl or DEFAULT_TTL_SECONDS),
        timeout or DEFAULT_TIMEOUT_SECONDS,
        location,
        output,
        failure,
        header(_PREFIX + "content-type"),
        header(_PREFIX + "accept"),
    )


def _matching(name: str, value: str | None) -> str | None:
    pattern, longest = _PATTERNS[name]
    if value is not None and (len(value) > longest or not re.fullmatch(pattern, value)):
        raise validation(f"Value '{value}' of header {_PREFIX}{name} is invalid: it must match {pattern}.")
    return value


def _require_object(location: str) -> None:
    try:
        _, key = parse_uri(location)
    except ValueError as error:
        raise validation(f"InputLocation is {error}.") from None
    if not key:
        raise validation(f"InputLocation names no object: {location}.")


def _seconds(name: str, text: str | None, least: int, most: int) -> int | None:
    if text is None:
        return None
    value = int(text) if text.isdecimal() else -1
    if not least <= value <= most:
        raise validation(f"{name} must be from {least} to {most} seconds, found {text}.")
    return value


def _locations(output: Record, filename: str | None, extension: str | None) -> tuple[str | None, str | None]:
    """Where result and failure go. The file names are SageMaker's own unless the request gives one."""
    stem, dot, suffix = (filename or f"{uuid.uuid4()}.out").partition(".")
    path, failures = output.get("S3OutputPath"), output.get("S3FailurePath")
    folder = f"{extension.strip('/')}/" if extension else ""
    return (
        f"{path.rstrip('/')}/{folder}{stem}{dot}{suffix}" if path else None,
        f"{failures.rstrip('/')}/{stem}-error{dot}{suffix}" if failures else None,
    )


def not_asynchronous(endpoint: str) -> ServiceError:
    """The refusal of InvokeEndpointAsync on a realtime endpoint."""
    return validation(
        f"Endpoint {endpoint} is not an asynchronous endpoint: its configuration has no AsyncInferenceConfig."
    )
