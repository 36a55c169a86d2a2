"""All services as one object, for the process that hosts the local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twin.local.services import autoscaling, runtime, sagemaker, vectors
from twin.local.services.asynchronous import Backlog, Collaborators, Dispatcher
from twin.local.services.autoscaling.steps import leave_zero
from twin.local.services.cloudformation import resource_handlers
from twin.local.services.emulator import CallerIdentity, EmulatedRoles, acting_as_caller
from twin.local.services.events import EventSink, ignore_events
from twin.local.services.models import ModelOptions, create_backend
from twin.local.services.objects import EmulatedObjects
from twin.local.services.runtime import RuntimeOptions
from twin.local.services.sagemaker import Delays, Roles
from twin.local.services.storage import Database
from twin.local.services.topics import EmulatedAlarms, EmulatedTopics
from twin.local.services.transform import TransformJobs, TransformOptions
from twin.local.services.wire import ASGIApp

_DATABASE = "services.sqlite"


class Services:
    """S3 Vectors, SageMaker (control plane and runtime) and Application Auto Scaling.

    Everything but running requests and ordered faults is kept in `state_dir` and found again after a
    restart; asynchronous requests that ran then run again. Use from one event loop.
    """

    def __init__(
        self,
        state_dir: Path,
        model: ModelOptions,
        *,
        delays: Delays | None = None,
        runtime_options: RuntimeOptions | None = None,
        roles: Roles | None = None,
        collaborators: Collaborators | None = None,
        events: EventSink = ignore_events,
        transform_options: TransformOptions | None = None,
    ) -> None:
        identity = CallerIdentity()
        self._database = Database(state_dir / _DATABASE)
        self._backend = create_backend(model)
        self.vectors = vectors.VectorsState(self._database, identity)
        self.sagemaker = sagemaker.SageMakerState(
            self._database, identity, delays=delays, roles=roles or EmulatedRoles()
        )
        self.autoscaling = autoscaling.AutoscalingState(
            self._database, autoscaling.SageMakerCapacity(self.sagemaker), identity
        )
        self.sagemaker.scaled_variants = self.autoscaling.scaled_variants
        self.runtime = runtime.RuntimeState(self.sagemaker, self._backend, runtime_options)
        around = collaborators or Collaborators(EmulatedObjects(), EmulatedTopics(), EmulatedAlarms())
        self.sagemaker.announce = events
        self.transforms = TransformJobs(
            self.sagemaker,
            self._backend,
            around.objects,
            self.runtime.faults,
            busy=lambda: any(any(pool.outstanding) for pool in self.runtime.pools.values()),
            announce=events,
            options=transform_options,
        )
        self.sagemaker.transforms = self.transforms
        self.asynchronous = Dispatcher(
            self.runtime,
            Backlog(self._database),
            around,
            lambda endpoint, variant: leave_zero(self.autoscaling, around.alarms, endpoint, variant),
        )
        self.sagemaker.endpoint_deleted = self.asynchronous.drop
        apps = {
            "s3vectors": vectors.create_app(self.vectors),
            "sagemaker": sagemaker.create_app(self.sagemaker),
            "application-autoscaling": autoscaling.create_app(self.autoscaling),
            "runtime": runtime.create_app(self.runtime, self.asynchronous),
        }
        self._apps = {name: acting_as_caller(app) for name, app in apps.items()}

    def route(self, service: str, path: str, target: str | None) -> ASGIApp | None:
        """The app for a request, or None when it is not for these services.

        `service` is the one in the request's credential scope, `target` its `X-Amz-Target` header.
        """
        if path.startswith("/_local/"):
            return self._apps["runtime"]
        if service == "sagemaker":
            return self._apps["runtime" if target is None and path.startswith("/endpoints/") else "sagemaker"]
        return self._apps.get(service) if service in ("s3vectors", "application-autoscaling") else None

    def resource_handlers(self) -> dict[str, dict[str, Any]]:
        """Entries for MiniStack's table of CloudFormation resource handlers, by resource type."""
        return resource_handlers(
            sagemaker.service(self.sagemaker), autoscaling.service(self.autoscaling), self.vectors
        )

    async def startup(self) -> None:
        """Go on with the asynchronous requests that were left; S3 and SNS must be there."""
        self.asynchronous.resume()
        self.transforms.resume()

    async def shutdown(self) -> None:
        """Stop what runs, and let go of the model and the database."""
        await self.asynchronous.stop()
        await self.transforms.shutdown()
        await self._backend.close()
        self._database.close()


def discard_state(state_dir: Path) -> None:
    """Forget everything under `state_dir`; call it while no `Services` uses the folder."""
    for suffix in ("", "-wal", "-shm"):
        (state_dir / f"{_DATABASE}{suffix}").unlink(missing_ok=True)
