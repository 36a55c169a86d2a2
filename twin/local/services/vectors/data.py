"""Putting, reading, deleting and querying vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twin.local.services.storage import Record
from twin.local.services.vectors.addresses import index_names
from twin.local.services.vectors.control import page_token, token_position
from twin.local.services.vectors.errors import invalid
from twin.local.services.vectors.filters import parse_filter
from twin.local.services.vectors.index import Entry, Vector
from twin.local.services.vectors.metadata import check_metadata
from twin.local.services.vectors.state import NewVector, VectorsState

Request = Mapping[str, Any]
MAX_TOP_K = 100
_PAGE = 500


def put_vectors(state: VectorsState, request: Request) -> Record:
    record = state.index(*index_names(request))
    hidden = _non_filterable(record)
    state.put_vectors(record, [_new_vector(record, item, hidden) for item in request["vectors"]])
    return {}


def get_vectors(state: VectorsState, request: Request) -> Record:
    index = state.vectors(state.index(*index_names(request)))
    found = ((key, index.get(key)) for key in request["keys"])
    return {"vectors": [_shown(key, entry, request) for key, entry in found if entry is not None]}


def list_vectors(state: VectorsState, request: Request) -> Record:
    index = state.vectors(state.index(*index_names(request)))
    count, number = request.get("segmentCount"), request.get("segmentIndex")
    if (count is None) != (number is None):
        raise invalid("segmentCount", "segmentCount and segmentIndex must be given together")
    if count is not None and number is not None and number >= count:
        raise invalid("segmentIndex", f"segmentIndex must be less than segmentCount: {number} of {count}")
    limit = request.get("maxResults") or _PAGE
    segment = (count or 1, number or 0)
    keys = index.page(token_position(request.get("nextToken")), limit + 1, segment)
    shown = [_shown(key, entry, request) for key in keys[:limit] if (entry := index.get(key)) is not None]
    answer: Record = {"vectors": shown}
    if len(keys) > limit:
        answer["nextToken"] = page_token(keys[limit - 1])
    return answer


def delete_vectors(state: VectorsState, request: Request) -> Record:
    state.delete_vectors(state.index(*index_names(request)), request["keys"])
    return {}


def query_vectors(state: VectorsState, request: Request) -> Record:
    record = state.index(*index_names(request))
    top_k = request["topK"]
    if top_k > MAX_TOP_K:
        raise invalid("topK", f"topK must be between 1 and {MAX_TOP_K}, found {top_k}")
    if request.get("queryMode") == "CLASSIC" and record.get("indexMode") == "ENHANCED":
        raise invalid("queryMode", "queryMode CLASSIC can't be used with an ENHANCED index")
    vector = _values(record, request["queryVector"], "queryVector", "Query vector")
    document = request.get("filter")
    predicate = None if document is None else parse_filter(document, _non_filterable(record))
    matches = state.vectors(record).query(vector, top_k, predicate)
    rows: list[Record] = []
    for match in matches:
        row: Record = {"key": match.key}
        if request.get("returnDistance"):
            row["distance"] = match.distance
        if request.get("returnMetadata") and match.metadata is not None:
            row["metadata"] = match.metadata
        rows.append(row)
    return {"vectors": rows, "distanceMetric": record["distanceMetric"]}


def _non_filterable(record: Record) -> frozenset[str]:
    return frozenset(record.get("metadataConfiguration", {}).get("nonFilterableMetadataKeys", ()))


def _new_vector(record: Record, item: Request, hidden: frozenset[str]) -> NewVector:
    key = item["key"]
    data = _values(record, item["data"], "vectors", f"Invalid record for key '{key}': vector")
    given = item.get("metadata")
    return key, data, None if given is None else check_metadata(key, given, hidden)


def _values(record: Record, data: Request, path: str, subject: str) -> Vector:
    """The float32 values of a request's vector, checked against the index."""
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(data.get("float32"), dtype=np.float32)
    except (TypeError, ValueError):
        raise invalid(path, f"{subject} must be a list of float32 numbers") from None
    if values.ndim != 1 or len(values) != record["dimension"]:
        found = len(values) if values.ndim == 1 else 0
        raise invalid(path, f"{subject} must have length {record['dimension']}, but has length {found}")
    if not np.isfinite(values).all():
        raise invalid(path, f"{subject} must not contain NaN or infinity")
    if record["distanceMetric"] == "cosine" and not values.any():
        raise invalid(path, f"{subject} must not be all zeros for the cosine distance metric")
    return values


def _shown(key: str, entry: Entry, request: Request) -> Record:
    row: Record = {"key": key}
    if request.get("returnData"):
        row["data"] = {"float32": entry.data.tolist()}
    if request.get("returnMetadata") and entry.metadata is not None:
        row["metadata"] = entry.metadata
    return row
