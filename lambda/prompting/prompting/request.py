"""The chat-completions request: the fields that vLLM honours, and this service's `retrieval`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
JsonObject = dict[str, Any]


class Strict(BaseModel):
    """Takes what its fields say, and nothing else."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


class TextPart(Strict):
    type: Literal["text"]
    text: str


class Message(Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[JsonObject] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The content's parts as vLLM joins them."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""

    def body(self) -> JsonObject:
        """The message as it is sent on: what was given, its content as one string."""
        fields = self.model_dump(exclude_none=True)
        return {**fields, "content": self.text} if self.content is not None else fields


class StreamOptions(Strict):
    include_usage: bool = False
    continuous_usage_stats: bool = False


class Retrieval(Strict):
    """`retrieval` in the request: how to look for sources."""

    enabled: bool = True
    top_k: Annotated[int, Field(ge=1, le=100)] | None = None
    filter: JsonObject | None = None


class ChatRequest(Strict):
    """Null means absent, as for OpenAI; ranges that only the model knows are left to it."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    retrieval: Retrieval = Retrieval()

    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    response_format: JsonObject | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    user: str | None = None

    add_generation_prompt: bool | None = None
    allowed_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    cache_salt: str | None = None
    chat_template_kwargs: JsonObject | None = None
    continue_final_message: bool | None = None
    ignore_eos: bool | None = None
    include_reasoning: bool | None = None
    include_stop_str_in_output: bool | None = None
    length_penalty: float | None = None
    logprob_token_ids: list[int] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    min_tokens: Count | None = None
    repetition_detection: JsonObject | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    return_tokens_as_token_ids: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    stop_token_ids: list[int] | None = None
    stream_interval: Positive | None = None
    structured_outputs: JsonObject | None = None
    thinking_token_budget: int | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    use_beam_search: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        return _without_null(data) if isinstance(data, dict) else data

    def passed_on(self) -> JsonObject:
        """The fields that go to the model as they are."""
        return self.model_dump(
            exclude_unset=True, exclude={"model", "messages", "retrieval", "stream", "stream_options"}
        )

    @property
    def question(self) -> str:
        """The last user message."""
        return next(iter(self._user_texts()), "")

    @property
    def searches(self) -> list[str]:
        """What to search sources for, in this order, until some are found.

        First the question, then the question with the user message before it, without which "And the
        other one?" means nothing. The question leads, since the encoder cuts off the end of a long text.
        """
        if not self.question:
            return []
        question, *before = self._user_texts()[:2]
        return [question, *(f"{question}\n{text}" for text in before if text)]

    def _user_texts(self) -> list[str]:
        """Texts of the user messages, last first."""
        return [message.text.strip() for message in reversed(self.messages) if message.role == "user"]

    @property
    def output_limit(self) -> tuple[str, int] | None:
        """Name and value of the field that limits the answer; vLLM prefers the newer one."""
        for name in ("max_completion_tokens", "max_tokens"):
            value: int | None = getattr(self, name)
            if value is not None:
                return name, value
        return None


def _without_null(data: JsonObject) -> JsonObject:
    """Drop null fields of the request, its messages and its options; free-form values stay as they are."""
    given = {name: value for name, value in data.items() if value is not None}
    for name in ("retrieval", "stream_options"):
        if isinstance(options := given.get(name), dict):
            given[name] = {key: value for key, value in options.items() if value is not None}
    if isinstance(messages := given.get("messages"), list):
        given["messages"] = [
            {key: value for key, value in message.items() if value is not None}
            if isinstance(message, dict)
            else message
            for message in messages
        ]
    return given
