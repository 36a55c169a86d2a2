"""The last step: final status, files, and what the client is told."""

from __future__ import annotations

from typing import Any

import pytest
from batch.endings import ConflictError, file_id
from batch.stores import Stores

from tests.batch.fakes import FakeJobs
from tests.batch.world import BATCH, OWNER, World, file, question

COUNTS = {"total": 2, "completed": 1, "failed": 1}


def joined(world: World) -> None:
    """One answer and one error, in their files."""
    world.create(file(question("a"), question("b", model="gpt")))
    world.validate()
    world.augment(0)
    world.transform()
    assert world.join().counts() == COUNTS


def test_a_completed_batch_names_its_files(world: World) -> None:
    joined(world)
    world.now = 2_000
    assert world.finish(None, COUNTS).ended
    batch = world.batch
    assert batch["status"] == "completed"
    assert batch["completed_at"] == 2_000
    assert batch["request_counts"] == COUNTS
    assert "errors" not in batch
    for kind in ("output", "error"):
        record = world.jobs.stored[OWNER, batch[f"{kind}_file_id"]]
        content = world.objects.stored[f"jobs/files/ada/{batch[f'{kind}_file_id']}.jsonl"]
        assert record == {
            "owner": OWNER,
            "id": file_id(BATCH, "output" if kind == "output" else "error"),
            "status": "processed",
            "filename": f"{BATCH}_{kind}.jsonl",
            "purpose": "batch_output",
            "bytes": len(content),
            "created_at": 2_000,
            "delete_at": 2_000 + 30 * 86_400,
        }


@pytest.mark.parametrize(
    ("before", "failure", "status"),
    [
        ("finalizing", None, "completed"),
        ("finalizing", "States.TaskFailed", "failed"),
        ("finalizing", "States.Timeout", "expired"),
        ("validating", "Lambda.Unknown", "failed"),
        ("in_progress", "States.Timeout", "expired"),
        ("cancelling", None, "cancelled"),
        ("cancelling", "States.TaskFailed", "cancelled"),
        ("cancelling", "States.Timeout", "cancelled"),
    ],
)
def test_the_final_status_follows_from_what_happened(
    world: World, before: str, failure: str | None, status: str
) -> None:
    joined(world)
    world.batch["status"] = before
    finished = world.finish(failure, COUNTS)
    assert finished.ended
    assert finished.record is not None
    assert world.batch["status"] == status
    assert world.batch[f"{status}_at"] == 1_000
    codes = [error["code"] for error in world.batch.get("errors", [])]
    assert codes == {"failed": ["batch_failed"], "expired": ["batch_expired"]}.get(status, [])
    assert world.file("output")
    assert world.batch["output_file_id"] == file_id(BATCH, "output")
    assert [(event["type"], event["id"], event["created_at"]) for event in world.webhooks.events] == [
        (f"batch.{status}", BATCH, 1_000)
    ]
    assert "open" not in world.batch


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
def test_the_first_final_status_stays(world: World, status: str) -> None:
    joined(world)
    world.batch.update({"status": status, f"{status}_at": 5})
    finished = world.finish("States.TaskFailed", COUNTS)
    assert not finished.ended
    assert world.batch["status"] == status
    assert "output_file_id" not in world.batch
    assert [event["type"] for event in world.webhooks.events] == [f"batch.{status}"]


def test_a_batch_that_could_not_be_joined_keeps_what_is_there(world: World) -> None:
    joined(world)
    del world.objects.stored[f"jobs/files/ada/{file_id(BATCH, 'error')}.jsonl"]
    world.finish("States.TaskFailed", None)
    assert world.batch["output_file_id"]
    assert "error_file_id" not in world.batch
    assert world.batch["request_counts"] == {"total": 2, "completed": 0, "failed": 0}


def test_the_client_is_told_once(world: World) -> None:
    joined(world)
    for _ in range(3):
        world.finish(None, COUNTS)
    assert len(world.webhooks.events) == 1
    assert world.webhooks.events[0] == {
        "event_id": f"evt_{BATCH[6:]}",
        "type": "batch.completed",
        "created_at": 1_000,
        "client": "app",
        "id": BATCH,
    }


def test_a_client_without_a_webhook_is_told_nothing(world: World) -> None:
    joined(world)
    del world.batch["client"]
    world.finish(None, COUNTS)
    assert world.webhooks.events == []
    assert "open" not in world.batch


class Wavering(FakeJobs):
    """Changes between any two looks at it."""

    def end(self, *arguments: Any, **more: Any) -> None:
        return None


def test_a_batch_that_changes_all_the_time_is_finished_by_a_retry(world: World) -> None:
    joined(world)
    wavering = Wavering(stored=world.jobs.stored)
    stores = Stores(world.objects, wavering, world.webhooks)
    world.stores = lambda: stores  # type: ignore[method-assign]
    with pytest.raises(ConflictError, match=r"batch_0123.* changed while it was finished"):
        world.finish(None, COUNTS)
    assert world.batch["status"] == "finalizing"
