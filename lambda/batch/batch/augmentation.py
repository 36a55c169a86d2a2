"""The second step, for one shard: its lines become requests for the model, with sources and prompt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobtable import keys
from jobtable.states import CANCELLING, FINAL
from prompting.errors import ApiError
from prompting.parsing import parse_request
from prompting.prompt import build_prompt

from batch.lines import encode, groups
from batch.requests import LineError, from_api_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompting.persona import Persona
    from prompting.prompt import Limits, Prompt
    from prompting.request import ChatRequest

    from batch.sources import Finder, Found
    from batch.stores import Jobs, Objects, Writer

GROUP_LINES = 32
"""Lines that are encoded together, and in memory together."""

GROUP_BYTES = 4 * 1024 * 1024
"""What they have together, unless one alone has more."""


class OutOfTimeError(Exception):
    """The invocation is about to end; a retry begins the shard anew."""


class MissingShardError(Exception):
    """The shard has no lines."""


@dataclass(frozen=True, slots=True)
class Prompting:
    """How prompts are built, and how long a line of the transform job's input may be, in bytes."""

    persona: Persona
    limits: Limits
    max_line_bytes: int


@dataclass(frozen=True, slots=True)
class Augmented:
    """`skipped`: the batch needs the shard no more, or an earlier run has come to its end."""

    requests: int = 0
    errors: int = 0
    skipped: bool = False


class Augmenter:
    """Augments shards. `out_of_time` says whether the invocation is about to end."""

    def __init__(
        self,
        jobs: Jobs,
        objects: Objects,
        finder: Finder,
        prompting: Prompting,
        out_of_time: Callable[[], bool],
    ) -> None:
        self._jobs = jobs
        self._objects = objects
        self._finder = finder
        self._prompting = prompting
        self._out_of_time = out_of_time

    def augment(self, owner: str, batch_id: str, shard: int) -> Augmented:
        """Write the shard's requests and what is known of its lines. Raises `OutOfTimeError`."""
        record = self._jobs.read(owner, batch_id)
        if record is None or record["status"] in FINAL | {CANCELLING}:
            return Augmented(skipped=True)
        if self._objects.size(keys.context(batch_id, shard)) is not None:
            return Augmented(skipped=True)
        content = self._objects.read(keys.lines(batch_id, shard))
        if content is None:
            raise MissingShardError(keys.lines(batch_id, shard))
        sent = failed = 0
        # The context exists only after the requests: a shard without it does not count as augmented.
        with (
            self._objects.writer(keys.context(batch_id, shard)) as context,
            self._objects.writer(keys.transform_shard(batch_id, shard)) as requests,
        ):
            for group in groups(content.chunks(), GROUP_LINES, GROUP_BYTES):
                if self._out_of_time():
                    raise OutOfTimeError(f"shard {shard} of {batch_id} is too much for one invocation")
                made = sum(self._write(group, requests, context))
                sent, failed = sent + made, failed + len(group) - made
        return Augmented(requests=sent, errors=failed)

    def _write(self, group: list[dict[str, Any]], requests: Writer, context: Writer) -> Iterator[bool]:
        """Write the lines; yield for each whether it became a request."""
        parsed = [parse_request(json.dumps(line["body"], ensure_ascii=False).encode()) for line in group]
        for line, request, found in zip(group, parsed, self._finder.find(parsed), strict=True):
            known = {"line": line["line"], "custom_id": line["custom_id"]}
            try:
                prompt = self._prompt(request, found)
                requests.write(self._encode(line["line"], request, prompt))
            except LineError as error:
                context.write(encode({**known, "error": error.body()}))
                yield False
            else:
                context.write(encode({**known, "about": prompt.about_sources}))
                yield True

    def _prompt(self, request: ChatRequest, found: Found) -> Prompt:
        if isinstance(found, LineError):
            raise found
        try:
            return build_prompt(request, self._prompting.persona, found, self._prompting.limits)
        except ApiError as error:
            raise from_api_error(error) from None

    def _encode(self, number: int, request: ChatRequest, prompt: Prompt) -> bytes:
        """The line of the transform job's input. One that is too long would fail the whole job."""
        encoded = encode({"line": number, "body": prompt.body(request)})
        if len(encoded) > self._prompting.max_line_bytes:
            message = (
                f"with its sources the request takes {len(encoded)} bytes; "
                f"at most {self._prompting.max_line_bytes} are accepted. Shorten it."
            )
            raise LineError("request_too_large", message)
        return encoded
