"""What the functions run: folders built beforehand, with the hashes of what went into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder that is uploaded as it is. `asset_hash` names its content: synthesis reads no file in it."""

    path: Path
    asset_hash: str


@dataclass(frozen=True, slots=True)
class Bundles:
    """One bundle for each function, and the layer's."""

    orchestrator: Bundle
    authorizer: Bundle
    ingestion: Bundle
    retrieval: Bundle
    jobs: Bundle
    batch: Bundle
