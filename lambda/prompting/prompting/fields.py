"""Which request fields are refused although OpenAI or vLLM know them, and why.

A client learns at once that a field has no effect here, instead of wondering about the answers.
"""

from __future__ import annotations

_REVEALS_PROMPT = "it would reveal the prompt"
_PROMPT_IS_OURS = "the service builds the prompt"
_SCHEDULING_IS_OURS = "the service decides how requests are scheduled"
_TEXT_ONLY = "the model reads and writes text only"
_NOT_HONOURED = "the model server does not honour it"

REFUSED: dict[str, str] = {
    # vLLM's, kept from clients
    "echo": _REVEALS_PROMPT,
    "prompt_logprobs": _REVEALS_PROMPT,
    "return_prompt_text": _REVEALS_PROMPT,
    "return_token_ids": _REVEALS_PROMPT,
    "chat_template": _PROMPT_IS_OURS,
    "documents": _PROMPT_IS_OURS,
    "truncate_prompt_tokens": _PROMPT_IS_OURS,
    "truncation_side": _PROMPT_IS_OURS,
    "add_special_tokens": _PROMPT_IS_OURS,
    "priority": _SCHEDULING_IS_OURS,
    "request_id": _SCHEDULING_IS_OURS,
    "session_id": _SCHEDULING_IS_OURS,
    "kv_transfer_params": _SCHEDULING_IS_OURS,
    "ec_transfer_params": _SCHEDULING_IS_OURS,
    "vllm_xargs": _SCHEDULING_IS_OURS,
    "media_io_kwargs": _TEXT_ONLY,
    "mm_processor_kwargs": _TEXT_ONLY,
    # OpenAI's, without effect in vLLM
    "audio": _TEXT_ONLY,
    "modalities": _TEXT_ONLY,
    "function_call": "use 'tool_choice'",
    "functions": "use 'tools'",
    "metadata": _NOT_HONOURED,
    "moderation": _NOT_HONOURED,
    "prediction": _NOT_HONOURED,
    "prompt_cache_key": _NOT_HONOURED,
    "prompt_cache_retention": _NOT_HONOURED,
    "safety_identifier": _NOT_HONOURED,
    "service_tier": _NOT_HONOURED,
    "store": _NOT_HONOURED,
    "verbosity": _NOT_HONOURED,
    "web_search_options": _NOT_HONOURED,
}
