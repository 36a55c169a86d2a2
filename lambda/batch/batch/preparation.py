"""The third step: whether there is something to ask the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobtable import keys
from jobtable.states import CANCELLING, FINAL

if TYPE_CHECKING:
    from batch.stores import Stores

LEAST_SECONDS = 60
"""What a transform job gets although its time is over: the job then ends, and the batch expires."""


def prepare(stores: Stores, owner: str, batch_id: str) -> bool:
    """Return whether a transform job is needed.

    Requests of a shard that was not augmented to its end are removed: its lines are reported as failed,
    so that the model would answer them for nothing.
    """
    record = stores.jobs.read(owner, batch_id)
    if record is None or record["status"] in FINAL | {CANCELLING}:
        return False
    contexts = set(stores.objects.keys(_folder(keys.context(batch_id, 0))))
    augmented = {
        keys.transform_shard(batch_id, shard)
        for shard in range(record.get("shards", 0))
        if keys.context(batch_id, shard) in contexts
    }
    requests = stores.objects.keys(keys.transform_input(batch_id))
    for key in requests:
        if key not in augmented:
            stores.objects.delete(key)
    return not augmented.isdisjoint(requests)


def seconds_left(begun: float, within: int, now: float) -> int:
    """Seconds that the transform job may take to end `within` seconds after the batch has `begun`."""
    return max(LEAST_SECONDS, int(begun + within - now))


def _folder(key: str) -> str:
    return key[: key.rindex("/") + 1]
