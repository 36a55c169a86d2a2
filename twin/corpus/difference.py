"""What has to happen for a bucket to equal a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Keys to upload, to remove, and to leave as they are, each in order."""

    upload: tuple[str, ...]
    remove: tuple[str, ...]
    unchanged: tuple[str, ...]


def difference(local: Mapping[str, str], remote: Mapping[str, str | None]) -> Difference:
    """Compare SHA-256 by key. A remote object without one, which something else uploaded, is replaced."""
    unchanged = {key for key, sha256 in local.items() if remote.get(key) == sha256}
    return Difference(
        upload=tuple(sorted(set(local) - unchanged)),
        remove=tuple(sorted(set(remote) - set(local))),
        unchanged=tuple(sorted(unchanged)),
    )
