"""AddTags, ListTags, DeleteTags."""

from __future__ import annotations

from twin.local.services.sagemaker.listing import page_of
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record


def _tag_list(tags: Record) -> list[Record]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def add_tags(state: SageMakerState, request: Record) -> Record:
    arn = request["ResourceArn"]
    state.set_tags(arn, request["Tags"])
    return {"Tags": _tag_list(state.tags.get(arn, {}))}


def list_tags(state: SageMakerState, request: Record) -> Record:
    page, token = page_of(_tag_list(state.tags.get(request["ResourceArn"], {})), request)
    return {"Tags": list(page), **({"NextToken": token} if token else {})}


def delete_tags(state: SageMakerState, request: Record) -> Record:
    arn = request["ResourceArn"]
    kept = {key: value for key, value in state.tags.get(arn, {}).items() if key not in request["TagKeys"]}
    state.tags[arn] = kept
    return {}
