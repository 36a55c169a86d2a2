"""Functions in processes of their own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest


def test_sees_only_bundle_layers_and_standard_library(cloud: Any) -> None:
    """The virtual environment has boto3; a function whose bundle lacks it does not."""
    handler = cloud.outputs["Handler"]
    failed = cloud.invoke(handler, {"action": "import", "module": "boto3"})
    assert failed["FunctionError"] == "Unhandled"
    assert failed["errorType"] == "ModuleNotFoundError"
    assert failed["errorMessage"] == "No module named 'boto3'"
    for module in ("inlayer", "sqlite3", "handler"):
        assert "FunctionError" not in cloud.invoke(handler, {"action": "import", "module": module})


def test_its_path_is_code_layers_and_the_interpreter(cloud: Any) -> None:
    answer = cloud.invoke(cloud.outputs["Handler"], {})
    state = str(cloud.options.layout.root)
    packages = [entry for entry in answer["path"] if entry.startswith(f"{state}/packages/")]
    assert answer["path"][: len(packages)] == packages
    assert answer["path"][0] == answer["environment"]["LAMBDA_TASK_ROOT"]
    assert not [entry for entry in answer["path"] if ".venv" in entry or "twin/local" in entry]


def test_environment_is_lambdas(cloud: Any) -> None:
    """The reserved variables and the function's own; nothing of the user's shell."""
    environment = cloud.invoke(cloud.outputs["Handler"], {})["environment"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == cloud.outputs["Handler"]
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/test/handler"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_ENDPOINT_URL"] == cloud.options.url
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["COLOUR"] == "green"
    assert environment["HOME"].startswith(str(cloud.options.layout.scratch))
    assert not {name for name in os.environ if name.startswith("PYTEST")} & set(environment)


def test_stays_warm(cloud: Any) -> None:
    first = cloud.invoke(cloud.outputs["Handler"], {})
    second = cloud.invoke(cloud.outputs["Handler"], {})
    assert second["pid"] == first["pid"]
    assert second["calls"] == first["calls"] + 1


def test_is_stopped_at_its_timeout(cloud: Any) -> None:
    handler = cloud.outputs["Handler"]
    before = cloud.invoke(handler, {})
    assert 0 < before["remaining_ms"] <= 2000
    started = time.monotonic()
    failed = cloud.invoke(handler, {"action": "sleep", "seconds": 30})
    assert time.monotonic() - started < 10
    assert failed["errorType"] == "Sandbox.Timedout"
    assert failed["errorMessage"].endswith("Task timed out after 2.00 seconds")
    assert not os.path.exists(f"/proc/{before['pid']}")  # noqa: PTH110
    assert cloud.invoke(handler, {})["pid"] != before["pid"]


@pytest.mark.parametrize(
    ("event", "error_type", "message"),
    [
        ({"action": "fail", "message": "no such luck"}, "ValueError", "no such luck"),
        ({"action": "set"}, "Runtime.MarshalError", "Object of type set is not JSON serializable"),
    ],
)
def test_errors_are_lambdas(cloud: Any, event: dict[str, Any], error_type: str, message: str) -> None:
    failed = cloud.invoke(cloud.outputs["Handler"], event)
    assert (failed["errorType"], failed["errorMessage"]) == (error_type, message)


def test_exit_is_an_error_and_the_next_call_gets_a_new_process(cloud: Any) -> None:
    handler = cloud.outputs["Handler"]
    failed = cloud.invoke(handler, {"action": "exit"})
    assert failed["errorType"] == "Runtime.ExitError"
    assert cloud.invoke(handler, {})["calls"] == 1


def test_output_goes_to_its_file_and_to_its_log_group(cloud: Any) -> None:
    handler = cloud.outputs["Handler"]
    cloud.invoke(handler, {"action": "fail", "message": "look here"})
    log = (cloud.options.layout.logs / f"{handler}.log").read_text(encoding="utf-8")
    assert "action fail\n" in log
    assert "ValueError: look here\n" in log
    events = cloud.client("logs").filter_log_events(logGroupName="/test/handler")["events"]
    messages = [event["message"] for event in events]
    assert "ValueError: look here" in messages
    assert messages[-1].startswith("REPORT RequestId: ")


def test_new_code_gets_a_new_process(cloud: Any, package: Callable[..., bytes]) -> None:
    handler, functions = cloud.outputs["Handler"], cloud.client("lambda")
    old = cloud.invoke(handler, {})
    functions.update_function_code(
        FunctionName=handler, ZipFile=package("handler", {"VERSION = 1": "VERSION = 2"})
    )
    new = cloud.invoke(handler, {})
    assert (old["version"], new["version"]) == (1, 2)
    assert _ends(old["pid"])
    functions.update_function_code(FunctionName=handler, ZipFile=package("handler"))


def test_new_web_code_gets_a_new_server(cloud: Any, package: Callable[..., bytes]) -> None:
    web, functions = cloud.outputs["Web"], cloud.client("lambda")
    event = {"httpMethod": "GET", "path": "/seen"}
    old = json.loads(cloud.invoke(web, event)["body"])
    functions.update_function_code(FunctionName=web, ZipFile=package("web", {'"pid"': '"process"'}))
    new = json.loads(cloud.invoke(web, event)["body"])
    assert "pid" not in new
    assert new["process"] != old["pid"]
    assert _ends(old["pid"])
    functions.update_function_code(FunctionName=web, ZipFile=package("web"))


def test_a_server_that_does_not_start_says_why(cloud: Any, package: Callable[..., bytes]) -> None:
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName="broken-web",
        Runtime="python3.13",
        Role=cloud.outputs["NoRights"],
        Handler="run.sh",
        Code={"ZipFile": package("web")},
        Layers=["arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:27"],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "BROKEN": "1"}},
    )
    failed = cloud.invoke("broken-web", {"httpMethod": "GET", "path": "/"})
    assert failed["errorType"] == "Runtime.InitError"
    assert failed["errorMessage"] == (
        "function broken-web exited with status 1 while starting: the server does not start"
    )


def test_a_web_function_takes_proxy_events_only(cloud: Any) -> None:
    failed = cloud.invoke(cloud.outputs["Web"], {"question": 1})
    assert failed["errorMessage"] == (
        f"function {cloud.outputs['Web']} is a web server; it takes API Gateway proxy events"
    )


def _ends(pid: int) -> bool:
    """Whether a process ends within the time that retiring takes."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
            return True
        time.sleep(0.1)
    return False
