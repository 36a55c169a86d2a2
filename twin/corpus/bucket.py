"""The corpus bucket as the sync sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from twin.corpus.errors import CorpusError
from twin.corpus.files import LocalFile

WORKERS = 8
"""Requests to S3 at a time; boto3's clients keep 10 connections."""

_DELETE_BATCH = 1_000

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object of the bucket; `sha256` is what the sync that uploaded it noted."""

    etag: str
    sha256: str | None


class CorpusBucket:
    """Lists, uploads and removes objects with a boto3 S3 client."""

    def __init__(self, s3: Any, name: str) -> None:
        self._s3 = s3
        self._name = name

    def keys(self) -> set[str]:
        """The keys of all objects."""
        return set(self._keys())

    def objects(self) -> dict[str, RemoteObject]:
        """All objects by key. The notes of the sync are not in a listing: each object is asked for them."""
        found = in_parallel(self._object, self._keys())
        return {key: each for key, each in found.items() if each is not None}

    def upload(self, file: LocalFile) -> RemoteObject:
        content, sha256 = file.read()
        answer = self._s3.put_object(
            Bucket=self._name,
            Key=file.key,
            Body=content,
            ContentType=file.content_type,
            Metadata=file.metadata(sha256),
        )
        return RemoteObject(answer["ETag"], sha256)

    def remove(self, keys: tuple[str, ...]) -> None:
        for start in range(0, len(keys), _DELETE_BATCH):
            objects = [{"Key": key} for key in keys[start : start + _DELETE_BATCH]]
            answer = self._s3.delete_objects(Bucket=self._name, Delete={"Objects": objects, "Quiet": True})
            # S3 answers 200 also when it refused to remove some, or all, of them.
            if refused := answer.get("Errors"):
                first = refused[0]
                raise CorpusError(
                    f"{len(refused)} documents were not removed, the first of them {first.get('Key')}: "
                    f"{first.get('Code')}: {first.get('Message')}"
                )

    def _keys(self) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def _object(self, key: str) -> RemoteObject | None:
        """The object; None when another sync has removed it since it was listed."""
        try:
            head = self._s3.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                return None
            raise
        metadata: Mapping[str, str] = head["Metadata"]
        return RemoteObject(head["ETag"], metadata.get("sha256"))


def in_parallel(
    work: Callable[[_Item], _Result], items: Iterable[_Item], done: Callable[[int], None] = lambda _: None
) -> dict[_Item, _Result]:
    """Results by item. `done` gets the number of finished ones, after each. The first failure ends it."""
    results = {}
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        futures = {pool.submit(work, item): item for item in items}
        try:
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                done(len(results))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return results
