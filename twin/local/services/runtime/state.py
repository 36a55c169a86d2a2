"""What the runtime works with, and whom an invocation reaches."""

from __future__ import annotations

from dataclasses import dataclass

from twin.local.services.errors import ServiceError
from twin.local.services.models import Container, ModelBackend
from twin.local.services.runtime.copies import CopyPool
from twin.local.services.runtime.errors import NO_CAPACITY, validation
from twin.local.services.runtime.faults import Faults
from twin.local.services.runtime.payload_split import check_mode
from twin.local.services.sagemaker.components import component_environment, component_status, running_copies
from twin.local.services.sagemaker.endpoint_configs import find_config
from twin.local.services.sagemaker.endpoints import endpoint_status, variant_of
from twin.local.services.sagemaker.models import model_environment
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record

DEFAULT_MAX_NUM_SEQS = 256


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Limits in seconds as on AWS, where response streams are cut, and how soon an endpoint leaves zero.

    On AWS an asynchronous endpoint with a backlog takes minutes for its first instance.
    """

    payload_split: str = "cut"
    unstreamed_limit_seconds: float = 60.0
    stream_limit_seconds: float = 480.0
    asynchronous_wake_seconds: float = 1.0

    def __post_init__(self) -> None:
        check_mode(self.payload_split)


@dataclass(frozen=True, slots=True)
class Target:
    """What answers an invocation."""

    endpoint: str
    variant: str
    container: Container
    pool: CopyPool


class RuntimeState:
    """The endpoints of the control plane, with a model behind them."""

    def __init__(
        self, sagemaker: SageMakerState, backend: ModelBackend, options: RuntimeOptions | None = None
    ) -> None:
        self.sagemaker = sagemaker
        self.backend = backend
        self.options = options or RuntimeOptions()
        self.faults = Faults()
        self.pools: dict[str, CopyPool] = {}

    def resolve(self, endpoint: str, component: str | None, variant: str | None) -> Target:
        """Whom a request for these reaches; `ValidationError` when nobody can take it."""
        state = self.sagemaker
        record = self.endpoint(endpoint)
        if find_config(state, record["EndpointConfigName"]).get("AsyncInferenceConfig"):
            raise validation(f"Endpoint {endpoint} is asynchronous: it takes InvokeEndpointAsync only.")
        if component is not None:
            return self._component(record, component, variant)
        for name in [variant] if variant else record["Variants"]:
            try:
                found = variant_of(state, record, name)
            except ServiceError:
                raise validation(f"Variant {name} of endpoint {endpoint} not found.") from None
            if found.get("ModelName"):
                return self._variant(record, name, found["ModelName"])
        raise validation(
            "Inference Component Name header is required for endpoints to which you plan to deploy inference "
            "components. Please include Inference Component Name header or consider using SageMaker models."
        )

    def endpoint(self, name: str) -> Record:
        """An endpoint that takes requests; `ValidationError` when there is none of this name."""
        state = self.sagemaker
        record = state.endpoints.get(name)
        if record is None or endpoint_status(state, record) not in ("InService", "Updating"):
            raise validation(f"Endpoint {name} of account {state.identity.account} not found.")
        return record

    def container(self, model: str) -> Container:
        """The container of a model."""
        return Container(model_environment(self.sagemaker, model))

    @staticmethod
    def sequences(container: Container) -> int:
        """Requests that a copy of a container works on at once."""
        return max(1, container.integer("SM_VLLM_MAX_NUM_SEQS", DEFAULT_MAX_NUM_SEQS))

    def _component(self, endpoint: Record, name: str, variant: str | None) -> Target:
        state = self.sagemaker
        record = state.components.get(name)
        if record is None or record["EndpointName"] != endpoint["EndpointName"]:
            raise validation(
                f"Inference Component {name} not found on endpoint {endpoint['EndpointName']} "
                f"of account {state.identity.account}."
            )
        if variant not in (None, record["VariantName"]):
            raise validation(f"Inference Component {name} is not hosted by variant {variant}.")
        container = Container(component_environment(state, record))
        pool = self._pool(f"inference-component/{name}", running_copies(state, record), container)
        if not pool.outstanding:
            pool.no_capacity_failures += 1
            if component_status(state, record) == "Creating":
                raise validation(f"Inference Component {name} is not ready yet: its status is Creating.")
            raise validation(NO_CAPACITY)
        return Target(endpoint["EndpointName"], record["VariantName"], container, pool)

    def _variant(self, endpoint: Record, name: str, model: str) -> Target:
        container = self.container(model)
        count = endpoint["Variants"][name]["DesiredInstanceCount"]
        key = f"endpoint/{endpoint['EndpointName']}/variant/{name}"
        return Target(endpoint["EndpointName"], name, container, self._pool(key, max(1, count), container))

    def _pool(self, key: str, copies: int, container: Container) -> CopyPool:
        pool = self.pools.setdefault(key, CopyPool())
        pool.resize(copies, self.sequences(container))
        return pool

    def load(self) -> dict[str, dict[str, object]]:
        """Requests on each copy and totals, by inference component or variant."""
        return {
            key: {
                "outstanding_per_copy": pool.outstanding,
                "invocations": pool.invocations,
                "no_capacity_failures": pool.no_capacity_failures,
            }
            for key, pool in self.pools.items()
        }
