"""Keys of jobs' objects in the exchange bucket. All begin with `jobs/`, whose lifecycle removes them."""

from __future__ import annotations

from jobtable.ids import digits

PREFIX = "jobs/"

ASYNCHRONOUS_INPUT = f"{PREFIX}asynchronous/input/"
ASYNCHRONOUS_OUTPUT = f"{PREFIX}asynchronous/output/"
ASYNCHRONOUS_FAILURE = f"{PREFIX}asynchronous/failure/"


def asynchronous_input(response_id: str) -> str:
    """Request of a background response that is too long to go inline."""
    return f"{ASYNCHRONOUS_INPUT}{response_id}.json"


def file(owner: str, file_id: str) -> str:
    """Content of an uploaded file, or of a batch's output or error file."""
    return f"{PREFIX}files/{owner}/{file_id}.jsonl"


def batch(batch_id: str) -> str:
    """Prefix of everything that a batch writes on its way."""
    return f"{PREFIX}batches/{digits(batch_id)}/"


def lines(batch_id: str, shard: int) -> str:
    """Accepted lines of a shard: `{"line", "custom_id", "body"}`."""
    return f"{batch(batch_id)}lines/{shard:05d}.jsonl"


def rejected(batch_id: str) -> str:
    """Lines that validation refused, in order: `{"line", "custom_id", "code", "message"}`."""
    return f"{batch(batch_id)}rejected.jsonl"


def transform_input(batch_id: str) -> str:
    """Prefix of what the transform job reads."""
    return f"{batch(batch_id)}transform/"


def transform_shard(batch_id: str, shard: int) -> str:
    """Requests for the model: `{"line", "body"}`."""
    return f"{transform_input(batch_id)}{shard:05d}.jsonl"


def context(batch_id: str, shard: int) -> str:
    """What is known of each line of a shard beside the model's answer.

    `{"line", "custom_id", "about": {…}}`, or `{"line", "custom_id", "error": {"code", "message"}}` for a line
    that did not become a request.
    """
    return f"{batch(batch_id)}context/{shard:05d}.jsonl"


def transform_output(batch_id: str) -> str:
    """Prefix of what the transform job writes: for each shard an object whose name ends with `.jsonl.out`."""
    return f"{batch(batch_id)}transformed/"
