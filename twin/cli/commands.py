"""The commands behind `python -m twin`; each parses no more, calls, and prints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from twin.cli.output import bold, dim, say, step
from twin.deployment.bring_up import LocalDeployment
from twin.deployment.cdk import Cdk, CdkError
from twin.deployment.connection import Connection
from twin.deployment.outputs import Deployment, NotDeployedError
from twin.deployment.target import LOCAL_ENVIRONMENT, Target
from twin.deployment.turn import turn
from twin.settings import Environment, load

if TYPE_CHECKING:
    import argparse

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"
CONNECTION = STATE / "connection.json"
SAMPLES = ROOT / "samples" / "corpus"
FIRST_QUESTION = "When does asynchronous inference beat a realtime endpoint?"


def environment_of(name: str) -> Environment:
    return load(ROOT / "environments" / f"{name}.yaml")


def target_of(parsed: argparse.Namespace) -> Target:
    environment = environment_of(parsed.env)
    return Target.of(parsed.env, region=environment.region, port=parsed.port, state=STATE)


def connection_of(target: Target) -> Connection:
    """The connection of the environment's first client."""
    deployment = Deployment(target)
    client = next(iter(environment_of(target.environment).api.clients))
    return Connection(deployment.base_url(), deployment.api_key(client), target.environment)


def up(parsed: argparse.Namespace) -> int:
    """Start, deploy, fill and ask; each step is harmless when it was done before."""
    environment = environment_of(LOCAL_ENVIRONMENT)
    with turn(STATE):
        return _up(parsed, environment)


def _up(parsed: argparse.Namespace, environment: Environment) -> int:
    from twin.cli.ask import ask as put
    from twin.cli.corpus import load_samples
    from twin.local import lifecycle

    local = LocalDeployment(ROOT, STATE, parsed.port, environment)
    say(bold("LLM Twin Stack") + dim(", environment local"))
    with step("local cloud") as current:
        cloud = lifecycle.start(lifecycle.options_for(environment, STATE, parsed.port, parsed.model))
        current.note(cloud.url)
    for note in cloud.notes:
        say(f"    {note}")
    with step("bootstrap") as current:
        current.note("created" if local.bootstrap() else "already there")
    with step("cdk deploy") as current:
        current.update("building functions, synthesizing templates")
        done: dict[str, bool] = {}

        def progress(stack: str, changed: bool) -> None:
            done[stack] = changed
            current.update(f"{stack} {'deployed' if changed else 'unchanged'}")

        try:
            deployment = local.deploy(progress)
        except CdkError as error:
            if lifecycle.status(STATE) is None:
                message = f"the local cloud ended during the deploy; its log is {cloud.log}. Try again"
                raise CdkError(message) from error
            raise
        changed = sum(done.values())
        current.note(f"{len(done)} stacks, {changed or 'none'} changed")
    load_samples(deployment, SAMPLES)
    connection = connection_of(deployment.target)
    connection.write(CONNECTION)
    say()
    say(bold("Q ") + FIRST_QUESTION)
    say(bold("A "), end="")
    put(connection, FIRST_QUESTION)
    say()
    _print_connection(connection)
    return 0


def _print_connection(connection: Connection) -> None:
    say(f"{bold('URL')}  {connection.base_url}")
    say(f"{bold('key')}  {connection.api_key}")
    say(dim(f"Both are in {CONNECTION.relative_to(ROOT)}."))
    say(dim('Go on with: make ask Q="…" [MODE=background|batch]   Stop with: make down'))


def down(parsed: argparse.Namespace) -> int:
    from twin.local import lifecycle

    del parsed
    stopped = lifecycle.stop(STATE)
    say("The local cloud is stopped." if stopped else "No local cloud was running.")
    return 0


def status(parsed: argparse.Namespace) -> int:
    from twin.local import lifecycle

    del parsed
    running = lifecycle.status(STATE)
    if running is None:
        say("No local cloud is running. `make up` starts one.")
        return 1
    say(f"The local cloud runs at {running.url} (process {running.pid}).")
    if CONNECTION.exists():
        _print_connection(Connection.read(CONNECTION))
    return 0


def ask(parsed: argparse.Namespace) -> int:
    """Put a question through the deployment type that the mode names."""
    target = target_of(parsed)
    if target.is_local:
        _require_local_cloud(parsed.port)
    connection = connection_of(target)
    if parsed.mode == "batch":
        return _ask_in_batch(parsed, connection)
    if parsed.mode == "background":
        from twin.cli.background import ask_in_background

        return ask_in_background(connection, parsed.question)
    from twin.cli.ask import ask as put

    put(connection, parsed.question)
    return 0


def _ask_in_batch(parsed: argparse.Namespace, connection: Connection) -> int:
    from twin.cli.batch import ask_in_batch, question_file

    if parsed.file is not None:
        return ask_in_batch(connection, parsed.file)
    model = environment_of(parsed.env).model.id
    with tempfile.TemporaryDirectory() as folder:
        return ask_in_batch(connection, question_file(Path(folder), model, parsed.question))


def advise(parsed: argparse.Namespace) -> int:
    """Recommend a deployment type; the status is 1 where none meets the workload."""
    from twin.capacity import advise as assess
    from twin.capacity.fleet import Platform
    from twin.cli import advise as interview

    environment = environment_of(parsed.env)
    workload = interview.workload_of(vars(parsed), interview.terminal())
    advice = assess(workload, Platform.of(environment, interview.parameters(parsed.billion_parameters)))
    if parsed.json:
        say(interview.as_json(advice))
    else:
        interview.show(advice)
    return 0 if advice.best else 1


def corpus_sync(parsed: argparse.Namespace) -> int:
    from twin.cli.corpus import sync_corpus

    target = target_of(parsed)
    if target.is_local:
        _require_local_cloud(parsed.port)
    report = sync_corpus(Deployment(target), parsed.directory, wait=parsed.wait, yes=parsed.yes)
    return 1 if report.errors else 0


def cdk(parsed: argparse.Namespace) -> int:
    """`synth`, `diff` and `deploy` of any environment, in the caller's terminal."""
    target = target_of(parsed)
    if target.is_local and parsed.command != "synth":
        _require_local_cloud(parsed.port)
    arguments = {"synth": ["--quiet"], "diff": [], "deploy": ["--all"]}[parsed.command]
    assembly = ROOT / "build" / "assembly" / parsed.env
    log = STATE / "logs" / f"cdk-{parsed.command}.log"
    return Cdk(ROOT, target, log, assembly).run(parsed.command, arguments)


def _require_local_cloud(port: int) -> None:
    """Raise `NotDeployedError` unless this repository's local cloud serves the port."""
    from twin.local import lifecycle

    running = lifecycle.status(STATE)
    if running is None:
        raise NotDeployedError("the local cloud does not run; `make up` starts it")
    if running.port != port:
        raise NotDeployedError(
            f"the local cloud runs on port {running.port}, not {port}; add PORT={running.port}"
        )
