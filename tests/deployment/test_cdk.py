"""The CDK command line's output, turned into progress and errors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from twin.deployment.cdk import Cdk, CdkError
from twin.deployment.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeCdk = Callable[[str], Cdk]


@pytest.fixture
def cdk(tmp_path: Path) -> MakeCdk:
    """A repository whose `cdk` is the given Python script."""

    def make(script: str) -> Cdk:
        executable = tmp_path / "node_modules" / ".bin" / "cdk"
        executable.parent.mkdir(parents=True)
        executable.write_text(f"#!{sys.executable}\nimport sys\n{script}", encoding="utf-8")
        executable.chmod(0o755)
        target = Target.of("local", region="us-east-1", port=1, state=tmp_path / "state")
        return Cdk(tmp_path, target, tmp_path / "state" / "cdk.log", tmp_path / "assembly")

    return make


def test_each_stack_is_reported_once_with_whether_it_changed(cdk: MakeCdk) -> None:
    done: list[tuple[str, bool]] = []
    script = """
print("\\x1b[32m ✅  twin-local-storage (no changes)\\x1b[39m")
print("twin-local-api | 3/58 | CREATE_COMPLETE | AWS::Lambda::Function | ✅", file=sys.stderr)
print(" ✅  twin-local-api", file=sys.stderr)
"""
    cdk(script).deploy(lambda stack, changed: done.append((stack, changed)))
    assert sorted(done) == [("twin-local-api", True), ("twin-local-storage", False)]


def test_a_deploy_names_its_environment(cdk: MakeCdk, tmp_path: Path) -> None:
    cdk("print(sys.argv)").deploy(lambda stack, changed: None)
    assert "'--context', 'env=local'" in (tmp_path / "state" / "cdk.log").read_text()


def test_a_failure_says_what_failed_and_where_all_of_it_is(cdk: MakeCdk, tmp_path: Path) -> None:
    broken = cdk("print('twin-local-api failed: no such thing'); sys.exit(3)")
    with pytest.raises(CdkError) as failed:
        broken.deploy(lambda stack, changed: None)
    log = tmp_path / "state" / "cdk.log"
    assert str(failed.value) == (
        f"`cdk deploy` exited 3; its whole output is in {log}\ntwin-local-api failed: no such thing"
    )
    assert log.read_text() == "twin-local-api failed: no such thing\n"


def test_bootstrap_needs_no_app(cdk: MakeCdk, tmp_path: Path) -> None:
    cdk("print(sys.argv[1:])").bootstrap("000000000000")
    assert (tmp_path / "state" / "cdk.log").read_text() == (
        "['bootstrap', 'aws://000000000000/us-east-1', '--app', '', '--no-notices']\n"
    )
