"""S3 Vectors through unmodified boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.local_services.conftest import Cloud, refused
from twin.local.services.storage import Database
from twin.local.services.vectors import VectorsState, run

BUCKET = "twin-vectors"
ARN = f"arn:aws:s3vectors:us-east-1:000000000000:bucket/{BUCKET}"
INDEX: dict[str, Any] = {"vectorBucketName": BUCKET, "indexName": "corpus"}


@pytest.fixture
def client(cloud: Cloud) -> Any:
    return cloud.client("s3vectors")


@pytest.fixture
def index(client: Any) -> Any:
    """A client with an index of two dimensions, `text` not filterable."""
    client.create_vector_bucket(vectorBucketName=BUCKET)
    client.create_index(
        **INDEX,
        dataType="float32",
        dimension=2,
        distanceMetric="cosine",
        metadataConfiguration={"nonFilterableMetadataKeys": ["text"]},
    )
    return client


def vector(key: str, *values: float, **metadata: Any) -> dict[str, Any]:
    return {"key": key, "data": {"float32": list(values)}, **({"metadata": metadata} if metadata else {})}


def test_buckets(client: Any) -> None:
    assert client.create_vector_bucket(vectorBucketName=BUCKET)["vectorBucketArn"] == ARN
    assert refused(client.create_vector_bucket, vectorBucketName=BUCKET) == (
        "ConflictException",
        409,
        "A vector bucket with the specified name already exists",
    )
    found = client.get_vector_bucket(vectorBucketArn=ARN)["vectorBucket"]
    assert (found["vectorBucketName"], found["encryptionConfiguration"]) == (BUCKET, {"sseType": "AES256"})
    assert [row["vectorBucketArn"] for row in client.list_vector_buckets()["vectorBuckets"]] == [ARN]
    client.delete_vector_bucket(vectorBucketName=BUCKET)
    assert refused(client.get_vector_bucket, vectorBucketName=BUCKET)[:2] == ("NotFoundException", 404)


def test_bucket_encryption_needs_the_key_that_goes_with_it(client: Any) -> None:
    wrong = {"sseType": "aws:kms"}
    assert refused(client.create_vector_bucket, vectorBucketName=BUCKET, encryptionConfiguration=wrong) == (
        "ValidationException",
        400,
        "kmsKeyArn goes with sseType aws:kms, and only with it",
    )


@pytest.mark.parametrize("name", ["Upper", "under_score", "dash-", "-dash"])
def test_bucket_names_are_checked(client: Any, name: str) -> None:
    assert refused(client.create_vector_bucket, vectorBucketName=name)[0] == "ValidationException"


def test_buckets_are_listed_in_pages(client: Any) -> None:
    for number in range(5):
        client.create_vector_bucket(vectorBucketName=f"vectors-{number}")
    client.create_vector_bucket(vectorBucketName="other")
    pages = client.get_paginator("list_vector_buckets").paginate(prefix="vectors-", maxResults=2)
    names = [row["vectorBucketName"] for page in pages for row in page["vectorBuckets"]]
    assert names == [f"vectors-{number}" for number in range(5)]
    assert refused(client.list_vector_buckets, nextToken="é")[2] == "Invalid nextToken"


def test_policies(index: Any) -> None:
    code, status, _ = refused(index.get_vector_bucket_policy, vectorBucketName=BUCKET)
    assert (code, status) == ("NotFoundException", 404)
    index.put_vector_bucket_policy(vectorBucketName=BUCKET, policy='{"Statement":[]}')
    assert index.get_vector_bucket_policy(vectorBucketName=BUCKET)["policy"] == '{"Statement":[]}'
    index.delete_vector_bucket_policy(vectorBucketName=BUCKET)
    assert refused(index.get_vector_bucket_policy, vectorBucketName=BUCKET)[0] == "NotFoundException"


def test_indexes(index: Any) -> None:
    found = index.get_index(indexArn=f"{ARN}/index/corpus")["index"]
    assert (found["dimension"], found["distanceMetric"], found["dataType"]) == (2, "cosine", "float32")
    assert found["metadataConfiguration"] == {"nonFilterableMetadataKeys": ["text"]}
    assert [row["indexName"] for row in index.list_indexes(vectorBucketName=BUCKET)["indexes"]] == ["corpus"]
    again = {**INDEX, "dataType": "float32", "dimension": 2, "distanceMetric": "cosine"}
    assert refused(index.create_index, **again)[:2] == ("ConflictException", 409)
    assert refused(index.delete_vector_bucket, vectorBucketName=BUCKET) == (
        "ConflictException",
        409,
        "The specified vector bucket is not empty",
    )
    index.delete_index(**INDEX)
    assert refused(index.get_index, **INDEX) == (
        "NotFoundException",
        404,
        "The specified index could not be found: corpus",
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dimension": 4097}, "dimension: Member must have value less than or equal to 4096"),
        (
            {"distanceMetric": "dot"},
            "distanceMetric: Member must satisfy enum value set: [euclidean, cosine]",
        ),
        ({"indexName": "Corpus"}, "Invalid vector index name: Corpus"),
        (
            {"metadataConfiguration": {"nonFilterableMetadataKeys": [f"k{number}" for number in range(11)]}},
            "Member must have length less than or equal to 10",
        ),
        (
            {"metadataConfiguration": {"nonFilterableMetadataKeys": ["a", "a"]}},
            "nonFilterableMetadataKeys must not name a key twice",
        ),
    ],
)
def test_index_parameters_are_checked(index: Any, wrong: dict[str, Any], message: str) -> None:
    valid = {"vectorBucketName": BUCKET, "indexName": "second", "dataType": "float32", "dimension": 2}
    code, status, text = refused(index.create_index, **{**valid, "distanceMetric": "cosine", **wrong})
    assert (code, status) == ("ValidationException", 400)
    assert message in text


def test_an_index_is_named_in_one_way(index: Any) -> None:
    both = {**INDEX, "indexArn": f"{ARN}/index/corpus"}
    expected = "Must specify either both vectorBucketName and indexName or indexArn but not both"
    assert refused(index.get_index, **both)[2] == expected
    assert (
        "indexArn: Member must satisfy regular expression pattern"
        in refused(index.get_index, indexArn=ARN)[2]
    )


def test_tags(index: Any) -> None:
    for arn in (ARN, f"{ARN}/index/corpus"):
        index.tag_resource(resourceArn=arn, tags={"team": "ml", "stage": "test"})
        index.untag_resource(resourceArn=arn, tagKeys=["stage"])
        assert index.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "ml"}


def test_modes(index: Any) -> None:
    assert index.get_index(**INDEX)["index"]["indexMode"] == "CLASSIC"
    index.update_index_mode(**INDEX, indexMode="ENHANCED")
    assert index.get_index(**INDEX)["index"]["indexMode"] == "ENHANCED"
    query = {"queryVector": {"float32": [1, 0]}, "topK": 1, "queryMode": "CLASSIC"}
    expected = "queryMode CLASSIC can't be used with an ENHANCED index"
    assert refused(index.query_vectors, **INDEX, **query)[2] == expected
    index.put_vector_bucket_default_index_mode(vectorBucketName=BUCKET, defaultIndexMode="ENHANCED")
    assert index.get_vector_bucket(vectorBucketName=BUCKET)["vectorBucket"]["defaultIndexMode"] == "ENHANCED"


def test_put_get_list_delete(index: Any) -> None:
    index.put_vectors(**INDEX, vectors=[vector("b", 1, 0, author="ada"), vector("a", 0, 1)])
    index.put_vectors(**INDEX, vectors=[vector("b", 0.5, 0, author="bob")])
    got = index.get_vectors(**INDEX, keys=["b", "missing"], returnData=True, returnMetadata=True)["vectors"]
    assert got == [{"key": "b", "data": {"float32": [0.5, 0.0]}, "metadata": {"author": "bob"}}]
    assert index.list_vectors(**INDEX)["vectors"] == [{"key": "a"}, {"key": "b"}]
    index.delete_vectors(**INDEX, keys=["b", "missing"])
    assert index.list_vectors(**INDEX)["vectors"] == [{"key": "a"}]


def test_listing_pages_and_segments(index: Any) -> None:
    index.put_vectors(**INDEX, vectors=[vector(f"k{number:02}", 1, number) for number in range(25)])
    paginator = index.get_paginator("list_vectors")
    pages = paginator.paginate(**INDEX, maxResults=10)
    assert [len(page["vectors"]) for page in pages] == [10, 10, 5]
    keys: list[str] = []
    for segment in range(4):
        for page in paginator.paginate(**INDEX, segmentCount=4, segmentIndex=segment, maxResults=3):
            keys += [row["key"] for row in page["vectors"]]
    assert sorted(keys) == [f"k{number:02}" for number in range(25)]
    assert refused(index.list_vectors, **INDEX, segmentCount=2)[2] == (
        "segmentCount and segmentIndex must be given together"
    )
    assert refused(index.list_vectors, **INDEX, segmentCount=2, segmentIndex=2)[2] == (
        "segmentIndex must be less than segmentCount: 2 of 2"
    )


def test_query(index: Any) -> None:
    rows = [
        vector("right", 2, 0, author="ada", text="r"),
        vector("up", 0, 3, author="bob"),
        vector("left", -1, 0),
    ]
    index.put_vectors(**INDEX, vectors=rows)
    query = {"queryVector": {"float32": [1, 0]}, "topK": 2}
    answer = index.query_vectors(**INDEX, **query, returnDistance=True, returnMetadata=True)
    assert answer["distanceMetric"] == "cosine"
    assert answer["vectors"] == [
        {"key": "right", "distance": 0.0, "metadata": {"author": "ada", "text": "r"}},
        {"key": "up", "distance": 1.0, "metadata": {"author": "bob"}},
    ]
    assert index.query_vectors(**INDEX, **query)["vectors"] == [{"key": "right"}, {"key": "up"}]
    filtered = index.query_vectors(**INDEX, **query, filter={"author": {"$ne": "ada"}})["vectors"]
    assert filtered == [{"key": "up"}, {"key": "left"}]


def test_euclidean_distance(index: Any) -> None:
    space = {"vectorBucketName": BUCKET, "indexName": "space"}
    index.create_index(**space, dataType="float32", dimension=2, distanceMetric="euclidean")
    index.put_vectors(**space, vectors=[vector("zero", 0, 0), vector("far", 3, 4)])
    answer = index.query_vectors(**space, queryVector={"float32": [0, 0]}, topK=5, returnDistance=True)
    assert answer["vectors"] == [{"key": "zero", "distance": 0.0}, {"key": "far", "distance": 5.0}]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([vector("a", 1)], "Invalid record for key 'a': vector must have length 2, but has length 1"),
        ([vector("a", 0, 0)], "vector must not be all zeros for the cosine distance metric"),
        ([vector("a", 1e39, 0)], "vector must not contain NaN or infinity"),
        (
            [vector("a", 1, 0, author=None)],
            "metadata 'author' must be a string, a number, a boolean or a list of them",
        ),
        ([vector("a", 1, 0, author={"first": "x"})], "metadata 'author' must be a string"),
        (
            [vector("a", 1, 0, author="x" * 2048)],
            "Filterable metadata must have at most 2048 bytes, found 2061",
        ),
        ([vector("a", 1, 0, text="x" * 40960)], "40971 bytes of metadata, at most 40960"),
        (
            [vector("a", 1, 0, **{f"k{number}": 1 for number in range(51)})],
            "51 metadata keys, at most 50",
        ),
        (
            [vector(f"k{number}", 1, 0) for number in range(500)],
            "Member must have length less than or equal to 500",
        ),
        ([vector("k" * 1025, 1, 0)], "Member must have length less than or equal to 1024"),
    ],
)
def test_put_is_checked_and_stores_nothing(index: Any, wrong: list[Any], message: str) -> None:
    code, status, text = refused(index.put_vectors, **INDEX, vectors=[vector("good", 1, 0), *wrong])
    assert (code, status) == ("ValidationException", 400)
    assert message in text
    assert index.list_vectors(**INDEX)["vectors"] == []


def test_text_may_be_as_long_as_the_limit_allows(index: Any) -> None:
    index.put_vectors(**INDEX, vectors=[vector("a", 1, 0, text="x" * 40_000, author="y" * 900)])
    assert (
        len(index.get_vectors(**INDEX, keys=["a"], returnMetadata=True)["vectors"][0]["metadata"]["text"])
        == 40_000
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"topK": 101}, "topK must be between 1 and 100, found 101"),
        ({"queryVector": {"float32": [1, 0, 0]}}, "Query vector must have length 2, but has length 3"),
        ({"queryVector": {"float32": [0, 0]}}, "must not be all zeros for the cosine distance metric"),
        ({"filter": {"text": "x"}}, "Invalid use of non-filterable metadata in filter: text"),
        ({"indexName": "missing"}, "The specified index could not be found: missing"),
    ],
)
def test_queries_are_checked(index: Any, wrong: dict[str, Any], message: str) -> None:
    valid = {**INDEX, "topK": 1, "queryVector": {"float32": [1, 0]}}
    assert message in refused(index.query_vectors, **{**valid, **wrong})[2]


def test_validation_errors_name_their_fields(index: Any) -> None:
    with pytest.raises(index.exceptions.ValidationException) as caught:
        index.query_vectors(**INDEX, topK=101, queryVector={"float32": [1, 0]})
    message = "topK must be between 1 and 100, found 101"
    assert caught.value.response["fieldList"] == [{"path": "topK", "message": message}]


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    first = Database(tmp_path / "services.sqlite")
    state = VectorsState(first)
    run(state, "CreateVectorBucket", {"vectorBucketName": BUCKET})
    run(state, "CreateIndex", {**INDEX, "dataType": "float32", "dimension": 2, "distanceMetric": "cosine"})
    run(state, "PutVectors", {**INDEX, "vectors": [vector("a", 0.1, 0.2, author="é"), vector("b", 1, 0)]})
    run(state, "DeleteVectors", {**INDEX, "keys": ["b"]})
    wanted = {"keys": ["a", "b"], "returnData": True, "returnMetadata": True}
    before = run(state, "GetVectors", {**INDEX, **wanted})
    first.close()
    second = Database(tmp_path / "services.sqlite")
    assert run(VectorsState(second), "GetVectors", {**INDEX, **wanted}) == before
    second.close()


def test_a_new_index_of_the_same_name_is_empty(index: Any) -> None:
    index.put_vectors(**INDEX, vectors=[vector("a", 1, 0)])
    index.delete_index(**INDEX)
    index.create_index(**INDEX, dataType="float32", dimension=2, distanceMetric="cosine")
    assert index.list_vectors(**INDEX)["vectors"] == []
