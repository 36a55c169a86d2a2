"""Whether a file can be the input of a batch."""

from __future__ import annotations

import json

from orchestrator.files.errors import InvalidFileError


def check_jsonl(content: bytes) -> None:
    """Raise `InvalidFileError`, naming the line, for what is not UTF-8 or has no line with a JSON object.

    One such line is enough: of the others, a batch reports each in its error file.
    """
    if not content.strip():
        raise InvalidFileError("The file is empty.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidFileError(f"Line {line}: not valid UTF-8.") from None
    first: int | None = None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if not line_text.strip():
            continue
        if _is_object(line_text):
            return
        first = first or number
    message = f"Line {first}: not a JSON object. No line of the file is one; each must hold one request."
    raise InvalidFileError(message)


def _is_object(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    """NaN and the infinities, which JSON does not have."""
    raise ValueError(name)
