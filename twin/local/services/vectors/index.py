"""The vectors of one index, in memory: a matrix, its keys and its metadata."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from twin.local.services.vectors.filters import Predicate

Vector = NDArray[np.float32]
Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored vector: its values, and its metadata or None."""

    data: Vector
    metadata: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Match:
    """A query's result: cosine distance is 1 - cosine similarity, euclidean the L2 norm of the difference."""

    key: str
    distance: float
    metadata: Mapping[str, Any] | None


class VectorIndex:
    """Exact nearest neighbours over `dimension` columns of float32."""

    def __init__(self, dimension: int, metric: Metric) -> None:
        self.dimension = dimension
        self.metric = metric
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}
        self._metadata: list[Mapping[str, Any] | None] = []
        self._data = np.empty((0, dimension), dtype=np.float32)
        # What a query is multiplied with: for cosine the same rows at length 1.
        self._units = np.empty((0, dimension), dtype=np.float32) if metric == "cosine" else self._data
        self._sorted: list[str] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: str) -> Entry | None:
        row = self._rows.get(key)
        return None if row is None else Entry(self._data[row], self._metadata[row])

    def put(self, key: str, data: Vector, metadata: Mapping[str, Any] | None) -> None:
        """Insert or replace."""
        row = self._rows.get(key)
        if row is None:
            row = len(self._keys)
            self._grow(row + 1)
            self._keys.append(key)
            self._metadata.append(None)
            self._rows[key] = row
            self._sorted = None
        self._data[row] = data
        if self.metric == "cosine":
            self._units[row] = _unit(data)
        self._metadata[row] = metadata

    def delete(self, key: str) -> bool:
        """Remove a vector; False when it was not there. The last row takes the freed place."""
        row = self._rows.pop(key, None)
        if row is None:
            return False
        last = len(self._keys) - 1
        moved, metadata = self._keys.pop(), self._metadata.pop()
        if row != last:
            self._keys[row], self._metadata[row] = moved, metadata
            self._data[row] = self._data[last]
            if self.metric == "cosine":
                self._units[row] = self._units[last]
            self._rows[moved] = row
        self._sorted = None
        return True

    def _grow(self, size: int) -> None:
        if size > len(self._data):
            extra = max(size, 2 * len(self._data), 64) - len(self._data)
            room = np.empty((extra, self.dimension), dtype=np.float32)
            self._data = np.concatenate([self._data, room])
            self._units = np.concatenate([self._units, room]) if self.metric == "cosine" else self._data

    def page(self, after: str | None, limit: int, segment: tuple[int, int] = (1, 0)) -> Sequence[str]:
        """Up to `limit` keys after `after` in key order, of one of `segment[0]` disjoint segments."""
        if self._sorted is None:
            self._sorted = sorted(self._keys)
        start = 0 if after is None else bisect_right(self._sorted, after)
        count, number = segment
        if count == 1:
            return self._sorted[start : start + limit]
        mine = (key for key in self._sorted[start:] if crc32(key.encode()) % count == number)
        return [key for key, _ in zip(mine, range(limit), strict=False)]

    def query(self, vector: Vector, top_k: int, predicate: Predicate | None = None) -> list[Match]:
        """The `top_k` nearest vectors that satisfy `predicate`, nearest first, equal distances by key."""
        distances = self._distances(vector)
        matches: list[Match] = []
        for rows in _nearest_first(distances, top_k if predicate is None else 4 * top_k):
            found = [row for row in rows if predicate is None or predicate(self._metadata[row] or {})]
            group = [Match(self._keys[row], float(distances[row]), self._metadata[row]) for row in found]
            matches += sorted(group, key=lambda match: (match.distance, match.key))
            if len(matches) >= top_k:
                break
        return matches[:top_k]

    def _distances(self, vector: Vector) -> NDArray[np.float32]:
        rows = self._units[: len(self._keys)]
        if self.metric == "euclidean":
            return np.asarray(np.linalg.norm(rows - vector, axis=1), dtype=np.float32)
        return np.asarray(np.float32(1) - rows @ _unit(vector), dtype=np.float32)


def _unit(vector: Vector) -> Vector:
    """`vector` at length 1; in double precision, where the squares of tiny numbers don't vanish."""
    wide = vector.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide), dtype=np.float32)


def _nearest_first(distances: NDArray[np.float32], first: int) -> Iterable[Sequence[int]]:
    """Row numbers in groups of growing distance; a tie never straddles two groups.

    The first group has at least `first` rows, each next one four times as many, so that a query that is
    satisfied early does not pay for sorting everything.
    """
    remaining = np.arange(len(distances))
    size = first
    while len(remaining):
        values = distances[remaining]
        if size < len(remaining):
            near = values <= np.partition(values, size - 1)[size - 1]
            yield remaining[near].tolist()
            remaining = remaining[~near]
        else:
            yield remaining.tolist()
            return
        size *= 4
