"""The storage stack."""

from __future__ import annotations

import pytest
import retrieval
from jobtable import keys, records
from retrieval.metadata import NON_FILTERABLE_KEYS

from stacks import naming
from stacks.constructs import vector_store
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Template, as_list, with_action

BUCKETS = ("AccessLogs/Bucket", "Corpus/Bucket", "Exchange/Bucket")


@pytest.fixture
def storage(synthesis: Synthesis) -> Template:
    return synthesis.storage


def test_key_is_customer_managed_and_rotated(storage: Template) -> None:
    assert storage.only("AWS::KMS::Key")["EnableKeyRotation"] is True
    assert storage.only("AWS::KMS::Alias")["AliasName"] == f"alias/twin-{storage.environment}"


@pytest.mark.parametrize("path", BUCKETS)
def test_buckets_block_public_access_and_take_tls_only(storage: Template, path: str) -> None:
    bucket = storage.at(path)
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    denied = [
        statement["Condition"]
        for statement in storage.at(f"{path}/Policy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied


@pytest.mark.parametrize("path", BUCKETS)
def test_buckets_have_a_lifecycle(storage: Template, path: str) -> None:
    rule, *_ = storage.at(path)["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "ExpirationInDays" in rule or rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def test_objects_of_jobs_expire_and_deleted_ones_are_soon_gone(synthesis: Synthesis) -> None:
    _, rule = synthesis.storage.at("Exchange/Bucket")["LifecycleConfiguration"]["Rules"]
    assert rule == {
        "Id": "expire-jobs",
        "Status": "Enabled",
        "Prefix": "jobs/",
        "ExpirationInDays": synthesis.environment.jobs.retention_days,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }


def test_corpus_and_weights_do_not_expire(storage: Template) -> None:
    assert len(storage.at("Corpus/Bucket")["LifecycleConfiguration"]["Rules"]) == 1
    unlimited, limited = storage.at("Exchange/Bucket")["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in unlimited
    assert limited["Prefix"] == "jobs/"


def test_jobs_table_is_encrypted_restorable_and_forgets(synthesis: Synthesis) -> None:
    table = synthesis.storage.only("AWS::DynamoDB::Table")
    key, _ = synthesis.storage.find("Encryption/Key")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {
        "KMSMasterKeyId": {"Fn::GetAtt": [key, "Arn"]},
        "SSEEnabled": True,
        "SSEType": "KMS",
    }
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "delete_at", "Enabled": True}
    assert "TableName" not in table


def test_jobs_table_is_keyed_as_the_records_are(storage: Template) -> None:
    table = storage.only("AWS::DynamoDB::Table")
    read = records.get("table", "owner", "id")["Key"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == list(read)
    [index] = table["GlobalSecondaryIndexes"]
    query = records.due("table", "response", 0, limit=1)
    assert index["IndexName"] == query["IndexName"] == naming.JOBS_INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["open", "due_at"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    kinds = {entry["AttributeName"]: entry["AttributeType"] for entry in table["AttributeDefinitions"]}
    assert kinds == {"owner": "S", "id": "S", "open": "S", "due_at": "N"}


def test_jobs_table_outlives_its_stack_where_data_is_retained(synthesis: Synthesis) -> None:
    [table] = synthesis.storage.resources("AWS::DynamoDB::Table").values()
    retains = synthesis.environment.retains_data
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == ("Retain" if retains else "Delete")
    assert table["Properties"].get("DeletionProtectionEnabled", False) is retains


def test_prefixes_of_jobs_are_those_that_the_functions_use() -> None:
    assert naming.JOBS_PREFIX == keys.PREFIX
    assert naming.ASYNC_INPUT_PREFIX == keys.ASYNCHRONOUS_INPUT
    assert naming.ASYNC_OUTPUT_PREFIX == keys.ASYNCHRONOUS_OUTPUT
    assert naming.ASYNC_FAILURE_PREFIX == keys.ASYNCHRONOUS_FAILURE
    assert keys.batch(f"batch_{'0' * 32}") == f"{naming.BATCHES_PREFIX}{'0' * 32}/"


def test_rights_on_jobs_end_at_their_prefix(storage: Template) -> None:
    statements = storage.at("Exchange/JobObjects")["PolicyDocument"]["Statement"]
    objects = with_action(statements, "s3:PutObject")
    bucket, _ = storage.find("Exchange/Bucket")
    assert objects["Action"] == [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:PutObject",
    ]
    assert objects["Resource"] == {"Fn::Join": ["", [{"Fn::GetAtt": [bucket, "Arn"]}, "/jobs/*"]]}
    assert with_action(statements, "s3:ListBucket")["Resource"] == {"Fn::GetAtt": [bucket, "Arn"]}


@pytest.mark.parametrize("path", ["Corpus/Bucket", "Exchange/Bucket"])
def test_data_buckets_are_encrypted_logged_and_versioned(storage: Template, path: str) -> None:
    bucket = storage.at(path)
    key, _ = storage.find("Encryption/Key")
    logs, _ = storage.find("AccessLogs/Bucket")
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": [key, "Arn"]},
    }
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": logs}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_access_logs_expire_with_the_other_logs(synthesis: Synthesis) -> None:
    [rule] = synthesis.storage.at("AccessLogs/Bucket")["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == synthesis.environment.logs.retention_days


def test_access_log_bucket_uses_the_only_encryption_that_log_delivery_supports(storage: Template) -> None:
    [rule] = storage.at("AccessLogs/Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_vector_index_compares_384_floats_by_cosine(storage: Template) -> None:
    index = storage.only("AWS::S3Vectors::Index")
    assert (index["DataType"], index["Dimension"], index["DistanceMetric"]) == ("float32", 384, "cosine")
    assert index["IndexName"] == "corpus"


def test_only_text_title_and_url_are_not_filterable(storage: Template) -> None:
    metadata = storage.only("AWS::S3Vectors::Index")["MetadataConfiguration"]
    assert metadata == {"NonFilterableMetadataKeys": ["text", "title", "url"]}


def test_metadata_keys_and_dimension_are_the_retrieval_layers() -> None:
    assert vector_store.DIMENSION == retrieval.DIMENSION
    assert set(vector_store.NON_FILTERABLE_METADATA) == NON_FILTERABLE_KEYS


def test_vector_bucket_is_encrypted_with_the_key(storage: Template) -> None:
    key, _ = storage.find("Encryption/Key")
    assert storage.only("AWS::S3Vectors::VectorBucket") == {
        "EncryptionConfiguration": {"SseType": "aws:kms", "KmsKeyArn": {"Fn::GetAtt": [key, "Arn"]}}
    }


def test_changes_go_to_a_queue_before_the_bucket_can_send_any(storage: Template) -> None:
    queue, _ = storage.find("CorpusChanges/Changes")
    policy, _ = storage.find("CorpusChanges/Changes/Policy")
    _, bucket = storage.find("Corpus/Bucket")
    configurations = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert {entry["Event"] for entry in configurations} == {"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}
    assert [entry["Queue"] for entry in configurations] == [{"Fn::GetAtt": [queue, "Arn"]}] * 2
    assert policy in bucket["DependsOn"]


def test_only_this_environments_buckets_may_send_changes(synthesis: Synthesis) -> None:
    statements = synthesis.storage.at("CorpusChanges/Changes/Policy")["PolicyDocument"]["Statement"]
    [allowed] = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": synthesis.environment.account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::twin-{synthesis.environment.name}-*"},
    }


def test_queue_hides_a_message_for_longer_than_the_function_may_run(synthesis: Synthesis) -> None:
    queue = synthesis.storage.at("CorpusChanges/Changes")
    dead_letters, _ = synthesis.storage.find("CorpusChanges/DeadLetters")
    assert queue["VisibilityTimeout"] == 6 * synthesis.environment.functions.ingestion_timeout_seconds
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]},
        "maxReceiveCount": 20,
    }


def test_queues_are_encrypted_with_the_key(storage: Template) -> None:
    key, _ = storage.find("Encryption/Key")
    assert [queue["KmsMasterKeyId"] for queue in storage.properties("AWS::SQS::Queue")] == [
        {"Fn::GetAtt": [key, "Arn"]}
    ] * 2


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
        "AWS::S3Vectors::VectorBucket",
        "AWS::S3Vectors::Index",
        "AWS::SQS::Queue",
    ],
)
def test_data_is_retained_except_in_local_and_dev(storage: Template, kind: str) -> None:
    expected = "Delete" if storage.environment in {"local", "dev"} else "Retain"
    resources = storage.resources(kind).values()
    assert resources
    assert {resource["DeletionPolicy"] for resource in resources} == {expected}
    assert {resource["UpdateReplacePolicy"] for resource in resources} == {expected}


def test_services_may_use_the_key_only_for_this_account(storage: Template) -> None:
    statements = storage.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    services = [statement for statement in statements if "Service" in statement["Principal"]]
    assert [statement["Principal"]["Service"] for statement in services] == [
        "logs.us-east-1.amazonaws.com",
        ["s3.amazonaws.com", "sns.amazonaws.com"],
        "indexing.s3vectors.amazonaws.com",
    ]
    assert all(statement["Condition"] for statement in services)
    assert not [action for entry in services for action in as_list(entry["Action"]) if "*" in action]


def test_outputs_carry_the_generated_names(storage: Template) -> None:
    corpus, _ = storage.find("Corpus/Bucket")
    vectors, _ = storage.find("Vectors/Bucket")
    outputs = storage.body["Outputs"]
    assert outputs["CorpusBucketName"]["Value"] == {"Ref": corpus}
    assert outputs["VectorBucketName"]["Value"] == {
        "Fn::Select": [1, {"Fn::Split": ["/", {"Fn::GetAtt": [vectors, "VectorBucketArn"]}]}]
    }
    dead_letters, _ = storage.find("CorpusChanges/DeadLetters")
    assert outputs["DeadLetterQueueUrl"]["Value"] == {"Ref": dead_letters}
    assert "ExchangeBucketName" in outputs
