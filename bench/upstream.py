"""The fastest S3 Vectors and SageMaker runtime there could be: fixed answers, the model's after a delay.

python -m bench.upstream PORT MODEL_SECONDS
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import uvicorn

from twin.local.services.runtime.eventstream import payload_part

if TYPE_CHECKING:
    from collections.abc import Callable

PASSAGE = "An endpoint that is scaled to zero keeps its name and costs nothing until the next request. " * 8
VECTORS = {
    "distanceMetric": "cosine",
    "vectors": [
        {
            "key": f"{number:032x}/00000",
            "distance": 0.1 + number / 20,
            "metadata": {
                "document_id": f"article-{number}",
                "text": PASSAGE,
                "title": "On scaling",
                "url": f"https://twin.example/{number}",
            },
        }
        for number in range(8)
    ],
}
USAGE = {"prompt_tokens": 900, "completion_tokens": 1, "total_tokens": 901}
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "bench"}
COMPLETION = {
    **HEAD,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
CHUNK = {
    **HEAD,
    "object": "chat.completion.chunk",
    "choices": [{"index": 0, "delta": {"content": "Yes"}, "finish_reason": "stop"}],
}
STREAM = payload_part(b"data: " + json.dumps(CHUNK).encode() + b"\n\ndata: [DONE]\n\n")


def application(model_seconds: float) -> Callable[..., Any]:
    async def app(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        body = json.dumps(VECTORS).encode()
        if scope["path"] != "/QueryVectors":
            await asyncio.sleep(model_seconds)
            body = STREAM if scope["path"].endswith("response-stream") else json.dumps(COMPLETION).encode()
        kind = b"application/vnd.amazon.eventstream" if body is STREAM else b"application/json"
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(float(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="critical",
        lifespan="off",
    )
