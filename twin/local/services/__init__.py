"""The services of the local cloud that MiniStack lacks."""

from twin.local.services.facade import Services, discard_state
from twin.local.services.models import ModelOptions, ModelOptionsError

__all__ = ["ModelOptions", "ModelOptionsError", "Services", "discard_state"]
