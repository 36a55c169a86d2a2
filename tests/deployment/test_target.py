"""Where an environment's calls go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.deployment.target import Target, loopback_without_proxy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_local_environment_is_the_local_cloud(tmp_path: Path) -> None:
    target = Target.of("local", region="us-east-1", port=4599, state=tmp_path)
    assert target.endpoint_url == "http://127.0.0.1:4599"
    assert target.client("s3").meta.endpoint_url == "http://127.0.0.1:4599"


def test_other_environments_are_aws(tmp_path: Path) -> None:
    target = Target.of("prod", region="eu-west-1", port=4599, state=tmp_path)
    assert not target.is_local
    assert target.client("sqs").meta.endpoint_url == "https://sqs.eu-west-1.amazonaws.com"


def test_no_credential_of_a_real_account_reaches_the_local_cloud(tmp_path: Path) -> None:
    target = Target.of("local", region="us-east-1", port=4599, state=tmp_path)
    caller = {
        "PATH": "/bin",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "CDK_DEFAULT_ACCOUNT": "1",
    }

    variables = target.process_environment(caller)

    assert "AWS_PROFILE" not in variables
    assert "AWS_SESSION_TOKEN" not in variables
    assert "CDK_DEFAULT_ACCOUNT" not in variables
    assert variables["AWS_ACCESS_KEY_ID"] == "test"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4599"
    assert variables["PATH"] == "/bin"


def test_the_cdk_command_line_caches_accounts_below_the_state_directory(tmp_path: Path) -> None:
    target = Target.of("local", region="us-east-1", port=4599, state=tmp_path)
    assert target.process_environment({"HOME": "/elsewhere"})["HOME"] == str(tmp_path / "home")
    assert (tmp_path / "home").is_dir()


def test_a_real_account_keeps_the_caller_s_credentials(tmp_path: Path) -> None:
    target = Target.of("prod", region="eu-west-1", port=4599, state=tmp_path)
    variables = target.process_environment({"AWS_PROFILE": "production"})
    assert variables == {"AWS_PROFILE": "production", "AWS_REGION": "eu-west-1"}


def test_the_caller_s_aws_files_are_not_read_for_the_local_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile\nbroken")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "production")
    client = Target.of("local", region="us-east-1", port=4599, state=tmp_path).client("s3")
    assert client._request_signer._credentials.access_key == "test"


def test_the_cdk_command_line_calls_nobody_but_the_local_cloud(tmp_path: Path) -> None:
    target = Target.of("local", region="us-east-1", port=4599, state=tmp_path)
    variables = target.process_environment({"CDK_DISABLE_CLI_TELEMETRY": "false"})
    assert variables["CDK_DISABLE_CLI_TELEMETRY"] == "true"
    assert variables["CDK_DISABLE_VERSION_CHECK"] == "true"


def test_no_proxy_is_used_for_loopback() -> None:
    expected = "corp.example,127.0.0.1,localhost"
    assert loopback_without_proxy({"NO_PROXY": "corp.example"}) == {
        "no_proxy": expected,
        "NO_PROXY": expected,
    }
    assert loopback_without_proxy({})["no_proxy"] == "127.0.0.1,localhost"
    assert loopback_without_proxy({"no_proxy": "*"}) == {}
