"""What a sync says while it works, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["compare", "upload", "remove", "index"]


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` files are through the stage; `documents` are searchable so far (stage `index`)."""

    stage: Stage
    done: int
    total: int
    documents: int = 0


@dataclass(frozen=True, slots=True)
class DocumentError:
    """A document that is not searchable, and why."""

    object_key: str
    reason: str
    document: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = self.object_key if self.line is None else f"{self.object_key}, line {self.line}"
        named = f" ({self.document})" if self.document not in (None, self.object_key) else ""
        return f"{place}{named}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Numbers of files, and names of those that need attention."""

    uploaded: int
    removed: int
    unchanged: int
    kept: tuple[str, ...] = ()
    """Keys in the bucket without a file, whose removal was declined."""
    skipped: tuple[str, ...] = ()
    """Files of formats that are not indexed."""
    documents: int | None = None
    """Searchable documents of all files; None when the sync did not wait for them."""
    errors: tuple[DocumentError, ...] = field(default=())
    """Documents in error; none when the sync did not wait."""
