"""The steps of the tests' workflow; the execution's input says how they behave."""

from __future__ import annotations

import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    step = event.get("step", "shard")
    if event["how"].get("fails") == step:
        raise ValueError(f"{step} fails")
    if step == "shard":
        time.sleep(event["how"].get("shard_seconds", 0))
        return {"large": "x" * 1000}
    if step == "validate":
        return {"valid": True, "shards": [{"shard": number} for number in range(event["how"]["shards"])]}
    return {"step": step, "counts": event.get("counts"), "failure": event.get("failure")}
