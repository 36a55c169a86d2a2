"""Buckets, indexes, policies and tags of S3 Vectors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twin.local.services.storage import Record
from twin.local.services.vectors.addresses import (
    bucket_name,
    check_bucket_name,
    check_index_name,
    index_names,
    split_arn,
)
from twin.local.services.vectors.errors import invalid, not_found
from twin.local.services.vectors.state import VectorsState

Request = Mapping[str, Any]
_DEFAULT_ENCRYPTION = {"sseType": "AES256"}
_PAGE = 500


def _encryption(request: Request) -> Record:
    given = dict(request.get("encryptionConfiguration") or _DEFAULT_ENCRYPTION)
    if (given.get("sseType") == "aws:kms") != ("kmsKeyArn" in given):
        raise invalid("encryptionConfiguration", "kmsKeyArn goes with sseType aws:kms, and only with it")
    return given


def create_vector_bucket(state: VectorsState, request: Request) -> Record:
    name = request["vectorBucketName"]
    check_bucket_name(name)
    record = state.create_bucket(
        name,
        {"encryptionConfiguration": _encryption(request), "tags": dict(request.get("tags") or {})},
    )
    return {"vectorBucketArn": record["vectorBucketArn"]}


def get_vector_bucket(state: VectorsState, request: Request) -> Record:
    record = state.bucket(bucket_name(request))
    fields = (
        "vectorBucketName",
        "vectorBucketArn",
        "creationTime",
        "encryptionConfiguration",
        "defaultIndexMode",
    )
    return {"vectorBucket": {name: record[name] for name in fields if name in record}}


def list_vector_buckets(state: VectorsState, request: Request) -> Record:
    fields = ("vectorBucketName", "vectorBucketArn", "creationTime")
    return _page(state.buckets.values(), "vectorBucketName", fields, "vectorBuckets", request)


def delete_vector_bucket(state: VectorsState, request: Request) -> None:
    state.delete_bucket(bucket_name(request))


def put_vector_bucket_policy(state: VectorsState, request: Request) -> Record:
    record = state.bucket(bucket_name(request))
    state.buckets[record["vectorBucketName"]] = {**record, "policy": request["policy"]}
    return {}


def get_vector_bucket_policy(state: VectorsState, request: Request) -> Record:
    record = state.bucket(bucket_name(request))
    if "policy" not in record:
        raise not_found("vector bucket policy", record["vectorBucketName"])
    return {"policy": record["policy"]}


def delete_vector_bucket_policy(state: VectorsState, request: Request) -> Record:
    record = state.bucket(bucket_name(request))
    state.buckets[record["vectorBucketName"]] = {k: v for k, v in record.items() if k != "policy"}
    return {}


def put_default_index_mode(state: VectorsState, request: Request) -> Record:
    record = state.bucket(bucket_name(request))
    mode = request["defaultIndexMode"]
    state.buckets[record["vectorBucketName"]] = {**record, "defaultIndexMode": mode}
    return {}


def create_index(state: VectorsState, request: Request) -> Record:
    bucket = bucket_name(request)
    check_index_name(request["indexName"])
    owner = state.bucket(bucket)
    fields: Record = {name: request[name] for name in ("dataType", "dimension", "distanceMetric")}
    fields["tags"] = dict(request.get("tags") or {})
    if "defaultIndexMode" in owner:
        fields["indexMode"] = owner["defaultIndexMode"]
    if request.get("encryptionConfiguration"):
        fields["encryptionConfiguration"] = _encryption(request)
    if request.get("metadataConfiguration"):
        keys = request["metadataConfiguration"]["nonFilterableMetadataKeys"]
        if len(set(keys)) != len(keys):
            raise invalid("metadataConfiguration", "nonFilterableMetadataKeys must not name a key twice")
        fields["metadataConfiguration"] = {"nonFilterableMetadataKeys": list(keys)}
    return {"indexArn": state.create_index(bucket, request["indexName"], fields)["indexArn"]}


def get_index(state: VectorsState, request: Request) -> Record:
    record = state.index(*index_names(request))
    return {"index": {name: value for name, value in record.items() if name not in ("id", "tags")}}


def list_indexes(state: VectorsState, request: Request) -> Record:
    bucket = state.bucket(bucket_name(request))["vectorBucketName"]
    fields = ("vectorBucketName", "indexName", "indexArn", "creationTime")
    return _page(state.indexes_of(bucket), "indexName", fields, "indexes", request)


def delete_index(state: VectorsState, request: Request) -> Record:
    bucket, index = index_names(request)
    state.delete_index(bucket, index)
    return {}


def update_index_mode(state: VectorsState, request: Request) -> Record:
    bucket, index = index_names(request)
    state.indexes[f"{bucket}/{index}"] = {**state.index(bucket, index), "indexMode": request["indexMode"]}
    return {}


def _tagged(state: VectorsState, request: Request) -> tuple[Record, Callable[[Record], None]]:
    """The record that `resourceArn` names, and how to store a changed one."""
    bucket, index = split_arn(str(request["resourceArn"]))
    if index is None:
        return state.bucket(bucket), lambda changed: state.buckets.__setitem__(bucket, changed)
    record = state.index(bucket, index)
    return record, lambda changed: state.indexes.__setitem__(f"{bucket}/{index}", changed)


def list_tags(state: VectorsState, request: Request) -> Record:
    return {"tags": _tagged(state, request)[0].get("tags", {})}


def tag_resource(state: VectorsState, request: Request) -> Record:
    record, store = _tagged(state, request)
    store({**record, "tags": {**record.get("tags", {}), **request["tags"]}})
    return {}


def untag_resource(state: VectorsState, request: Request) -> Record:
    record, store = _tagged(state, request)
    gone = request["tagKeys"]
    store(
        {**record, "tags": {key: value for key, value in record.get("tags", {}).items() if key not in gone}}
    )
    return {}


def page_token(after: str) -> str:
    """An opaque continuation token."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def token_position(token: str | None) -> str | None:
    """What `page_token` was made of; `ValidationException` for anything else."""
    if token is None:
        return None
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("nextToken", "Invalid nextToken") from None


def _page(
    records: Iterable[Record], key: str, fields: tuple[str, ...], member: str, request: Request
) -> Record:
    prefix, after = request.get("prefix") or "", token_position(request.get("nextToken"))
    rows = sorted(
        (record for record in records if record[key].startswith(prefix)), key=lambda row: str(row[key])
    )
    rest = [row for row in rows if after is None or row[key] > after]
    limit = request.get("maxResults") or _PAGE
    answer: Record = {member: [{name: row[name] for name in fields} for row in rest[:limit]]}
    if len(rest) > limit:
        answer["nextToken"] = page_token(rest[limit - 1][key])
    return answer
