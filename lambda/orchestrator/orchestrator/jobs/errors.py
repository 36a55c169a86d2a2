"""What can go wrong with jobs, for clients and for the code that keeps them."""

from __future__ import annotations

from prompting.errors import ApiError, InvalidRequestError


class RecordExistsError(Exception):
    """One of the records is already there; none was written."""


class RecordChangedError(Exception):
    """The record is gone, or has not the state that the change is meant for."""


class ObjectMissingError(Exception):
    """The object does not exist; the text is its key."""


class JobsUnavailableError(ApiError):
    """The table, the bucket or another service that keeps jobs could not be reached, or refused."""

    status = 503
    code = "jobs_unavailable"
    message = "Jobs cannot be stored or read at the moment. Please try again shortly."
    retryable = True
    retry_after = 2


class NotDeployedError(InvalidRequestError):
    """The environment lacks the deployment type that the route needs."""

    status = 404
    code = "deployment_type_not_available"

    def __init__(self, what: str, setting: str) -> None:
        super().__init__(
            f"{what} are not available here: this environment has no '{setting}' section in its settings."
        )


class NotFoundError(InvalidRequestError):
    """There is no such response, file or batch, or it is another key's."""

    status = 404
    code = "not_found"

    def __init__(self, what: str, job_id: str) -> None:
        super().__init__(f"No {what} found with id '{job_id}'.")
