"""What a state directory must be for a cloud to go on from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from twin.local.layout import StateLayout
from twin.local.state import Manifest, StateError, prepare

PORT = 4566


@pytest.fixture
def layout(tmp_path: Path) -> StateLayout:
    """A directory that a cloud has used: one saved service, one object."""
    layout = StateLayout(tmp_path / "state")
    assert prepare(layout, PORT) is None
    (layout.emulator / "sqs.json").write_text('{"payload": {}}', encoding="utf-8")
    (layout.objects / "object").write_text("text", encoding="utf-8")
    return layout


def kept(layout: StateLayout) -> bool:
    """Whether the stored state is still there."""
    return (layout.objects / "object").exists()


def test_state_of_the_same_cloud_is_kept(layout: StateLayout) -> None:
    assert prepare(layout, PORT) is None
    assert kept(layout)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("format", 0, "it has format 0, this version writes 1"),
        ("emulator", "1.0", "MiniStack 1.0 wrote it, {emulator} is installed"),
        ("port", 4600, "it belongs to port 4600, and queue addresses in it name that port, not 4566"),
        ("settled", False, "the cloud stopped while a stack was being deployed"),
    ],
)
def test_state_that_cannot_be_used_is_discarded_with_the_reason(
    layout: StateLayout, field: str, value: object, reason: str
) -> None:
    manifest = json.loads(layout.manifest_file.read_text(encoding="utf-8"))
    layout.manifest_file.write_text(json.dumps(manifest | {field: value}), encoding="utf-8")
    assert prepare(layout, PORT) == reason.format(emulator=manifest["emulator"])
    assert not kept(layout)
    assert Manifest.read(layout.manifest_file) == Manifest.current(PORT)


def test_a_damaged_file_discards_the_state(layout: StateLayout) -> None:
    (layout.emulator / "iam.json").write_text('{"payload": {"ro', encoding="utf-8")
    reason = prepare(layout, PORT)
    assert reason is not None
    assert reason.startswith("iam.json is damaged (Unterminated string")
    assert not kept(layout)


@pytest.mark.parametrize("folder", ["ministack", "s3", "services", "packages"])
def test_a_folder_that_somebody_removed_discards_the_rest(layout: StateLayout, folder: str) -> None:
    """The parts refer to each other: functions to packages, stacks to endpoints and objects."""
    shutil.rmtree(layout.root / folder)
    assert prepare(layout, PORT) == f"its folder {folder} is gone"
    assert not kept(layout)


def test_a_damaged_manifest_is_an_error(layout: StateLayout) -> None:
    layout.manifest_file.write_text("{}", encoding="utf-8")
    with pytest.raises(StateError) as error:
        prepare(layout, PORT)
    assert str(error.value).startswith(
        f"{layout.manifest_file} is not readable as the local cloud's manifest ("
    )
    assert str(error.value).endswith(f"Remove the folder {layout.root} and start again")
    assert kept(layout)


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    layout = StateLayout(tmp_path)
    layout.objects.mkdir()
    (layout.objects / "holiday.jpg").touch()
    with pytest.raises(StateError) as error:
        prepare(layout, PORT)
    assert str(error.value) == (
        f"{layout.objects} has content, but no local cloud wrote {tmp_path}: there is no state.json. "
        "Remove the folder, or choose another state directory"
    )
    assert (layout.objects / "holiday.jpg").exists()


def test_logs_outlive_discarded_state(layout: StateLayout) -> None:
    (layout.logs / "function.log").write_text("line", encoding="utf-8")
    Manifest.current(PORT).with_settled(False).write(layout.manifest_file)
    assert prepare(layout, PORT) is not None
    assert (layout.logs / "function.log").exists()
