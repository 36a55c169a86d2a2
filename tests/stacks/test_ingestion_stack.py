"""The ingestion stack."""

from __future__ import annotations

import pytest

from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Template, with_action

ROLE = "Ingestion/Role"


@pytest.fixture
def ingestion(synthesis: Synthesis) -> Template:
    return synthesis.ingestion


def test_function_is_fed_by_the_queue_and_answers_for_each_message(synthesis: Synthesis) -> None:
    source = synthesis.ingestion.only("AWS::Lambda::EventSourceMapping")
    assert "CorpusChanges" in source["EventSourceArn"]["Fn::ImportValue"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 5
    assert source["ScalingConfig"] == {
        "MaximumConcurrency": synthesis.environment.functions.ingestion_concurrency
    }


def test_function_has_the_retrieval_layer(ingestion: Template) -> None:
    layer, _ = ingestion.find("Retrieval")
    function = ingestion.only("AWS::Lambda::Function")
    assert function["Layers"] == [{"Ref": layer}]
    assert function["Handler"] == "ingestion.handler.handler"


def test_function_reads_the_corpus_and_cannot_change_it(ingestion: Template) -> None:
    statements = ingestion.statements(ROLE)
    [corpus] = [
        statement
        for statement in statements
        if statement["Action"] == "s3:GetObject" and "Corpus" in str(statement["Resource"])
    ]
    assert corpus["Resource"]["Fn::Join"][1][1] == "/*"
    changes = [entry for entry in statements if "s3:PutObject" in entry["Action"]]
    assert len(changes) == 1
    assert "Exchange" in str(changes[0]["Resource"])


def test_function_writes_only_its_records_to_the_exchange_bucket(ingestion: Template) -> None:
    write = with_action(ingestion.statements(ROLE), "s3:PutObject")
    assert write["Resource"]["Fn::Join"][1][1] == "/index-state/*"
    assert write["Action"] == ["s3:GetObject", "s3:PutObject"]


def test_function_changes_vectors_of_the_one_index(ingestion: Template) -> None:
    vectors = with_action(ingestion.statements(ROLE), "s3vectors:PutVectors")
    assert vectors["Action"] == [
        "s3vectors:DeleteVectors",
        "s3vectors:PutVectors",
    ]
    assert "VectorsIndex" in vectors["Resource"]["Fn::ImportValue"]


def test_function_sets_documents_aside_but_sends_nothing_to_its_own_queue(ingestion: Template) -> None:
    send = with_action(ingestion.statements(ROLE), "sqs:SendMessage")
    assert "DeadLetters" in send["Resource"]["Fn::ImportValue"]
