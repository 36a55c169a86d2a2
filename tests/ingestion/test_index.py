"""What events do to the index, with stores in memory."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from ingestion.documents import Document, Problem
from ingestion.index import BATCH_VECTORS, MAX_OBJECT_BYTES, Indexer, Outcome, OutOfTimeError
from ingestion.plan import MAX_CHARACTERS, MAX_PROBLEMS, make_plan
from ingestion.state import IndexState
from ingestion.stores import ObjectHead
from retrieval import vector_key

from tests.ingestion.fakes import FakeEncoder, World

FAR = 10_000.0
KEY = "articles/scaling.md"


def lines(*documents: dict[str, Any] | str) -> str:
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in documents)


def long_text(chunks: int, word: str = "word") -> str:
    return " ".join(f"{word}{number}" for number in range(chunks * 190))


def settle(world: World, key: str = KEY) -> Outcome:
    return world.indexer().settle(key, FAR)


def test_a_new_document_is_indexed_with_its_metadata(world: World) -> None:
    world.corpus.put(
        KEY, "---\ntitle: Scaling\nkind: article\nurl: https://example.org\n---\nCopies go to zero."
    )
    assert settle(world) == Outcome("indexed", documents=1, vectors=1)
    ((key, record),) = world.vectors.records.items()
    assert key == vector_key(KEY, KEY, 0)
    assert record.metadata == {
        "document_id": KEY,
        "kind": "article",
        "source": KEY,
        "text": "Copies go to zero.",
        "title": "Scaling",
        "url": "https://example.org",
    }
    assert world.encoder.encoded == ["Scaling\nCopies go to zero."]
    assert [type(each) for each in record.data] == [float] * 4


def test_the_state_says_what_is_indexed(world: World) -> None:
    world.corpus.put(KEY, "Words.", {"sha256": "abc", "author": quote("Çelik")})
    settle(world)
    state = world.state(KEY)
    assert state["etag"] == world.corpus.objects[KEY][0].etag
    assert state["sha256"] == "abc"
    assert state["documents"][KEY]["chunks"] == 1
    assert len(state["documents"][KEY]["sha256"]) == 64
    assert state["attributes"]["author"] == "Çelik"
    assert (state["lease"], state["pending"], state["errors"]) == (None, False, [])
    assert state["indexed_at"] == world.now


def test_the_same_event_again_does_nothing(world: World) -> None:
    world.corpus.put(KEY, "Words.")
    settle(world)
    before = dict(world.states.stored)
    assert settle(world) == Outcome("unchanged")
    assert world.states.stored == before
    assert world.vectors.puts == 1


def test_a_replaced_document_leaves_nothing_of_the_old_one(world: World) -> None:
    world.corpus.put(KEY, long_text(3, "old"))
    settle(world)
    assert len(world.vectors.records) >= 3
    world.corpus.put(KEY, "New words.")
    assert settle(world) == Outcome("indexed", documents=1, vectors=1)
    assert world.vectors.texts() == ["New words."]


def test_a_deleted_object_leaves_no_vectors(world: World) -> None:
    world.corpus.put(KEY, long_text(3))
    settle(world)
    world.corpus.delete(KEY)
    assert settle(world) == Outcome("deleted", removed=1)
    assert world.vectors.records == {}
    assert world.state(KEY)["etag"] == ""
    assert settle(world) == Outcome("unchanged")


def test_an_event_of_an_object_that_never_was_writes_nothing(world: World) -> None:
    assert settle(world) == Outcome("unchanged")
    assert world.states.stored == {}


def test_a_deleted_object_can_come_back(world: World) -> None:
    for _ in range(2):
        world.corpus.put(KEY, "Words.")
        settle(world)
        assert world.vectors.texts() == ["Words."]
        world.corpus.delete(KEY)
        settle(world)
        assert world.vectors.texts() == []


def test_only_changed_lines_are_encoded_again(world: World) -> None:
    one, two, three = ({"id": each, "text": f"Text {each}."} for each in ("one", "two", "three"))
    world.corpus.put("a.jsonl", lines(one, two, three))
    settle(world, "a.jsonl")
    world.encoder.encoded.clear()
    world.corpus.put(
        "a.jsonl", lines(three, {"id": "two", "text": "Changed."}, {"id": "four", "text": "New."})
    )
    assert settle(world, "a.jsonl") == Outcome("indexed", documents=2, vectors=2, removed=1)
    assert world.encoder.encoded == ["Changed.", "New."]
    assert sorted(world.vectors.texts()) == ["Changed.", "New.", "Text three."]


def test_changed_metadata_alone_is_a_change(world: World) -> None:
    world.corpus.put(KEY, "Words.", {"author": "Ada"})
    settle(world)
    world.corpus.put(KEY, "Words.", {"author": "Grace"})
    assert settle(world).documents == 1
    ((_, record),) = world.vectors.records.items()
    assert record.metadata["author"] == "Grace"


def test_metadata_that_changes_no_document_is_noted_without_encoding(world: World) -> None:
    world.corpus.put(
        "a.jsonl", lines({"id": "a", "text": "A", "author": "Ada"}), {"author": "x", "sha256": "1"}
    )
    settle(world, "a.jsonl")
    world.corpus.put(
        "a.jsonl", lines({"id": "a", "text": "A", "author": "Ada"}), {"author": "y", "sha256": "2"}
    )
    assert settle(world, "a.jsonl") == Outcome("indexed")
    assert world.state("a.jsonl")["sha256"] == "2"
    assert world.vectors.puts == 1


def test_objects_with_equal_ids_do_not_meet(world: World) -> None:
    world.corpus.put("a.jsonl", lines({"id": "1", "text": "Of a."}))
    world.corpus.put("b.jsonl", lines({"id": "1", "text": "Of b."}))
    settle(world, "a.jsonl")
    settle(world, "b.jsonl")
    world.corpus.delete("a.jsonl")
    settle(world, "a.jsonl")
    assert world.vectors.texts() == ["Of b."]


def test_a_bad_line_goes_to_the_dead_letters_and_the_others_are_indexed(world: World) -> None:
    world.corpus.put(
        "a.jsonl", lines({"id": "1", "text": "Good."}, {"id": "2"}, {"id": "3", "text": "Good too."})
    )
    assert settle(world, "a.jsonl") == Outcome("indexed", documents=2, vectors=2, problems=1)
    etag = world.corpus.objects["a.jsonl"][0].etag
    problem = {"reason": "'text' is missing", "document": "2", "line": 2}
    assert world.dead_letters.messages == [{"object": "a.jsonl", "etag": etag, **problem}]
    assert world.state("a.jsonl")["errors"] == [problem]
    assert settle(world, "a.jsonl") == Outcome("unchanged")
    assert len(world.dead_letters.messages) == 1


def test_a_document_that_became_bad_is_removed(world: World) -> None:
    world.corpus.put(KEY, "Words.")
    settle(world)
    world.corpus.put(KEY, b"\xff")
    assert settle(world) == Outcome("indexed", removed=1, problems=1)
    assert world.vectors.records == {}
    world.corpus.put(KEY, "Words again.")
    settle(world)
    assert world.state(KEY)["errors"] == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            {"id": "a", "text": "A", "author": "A" * 2_100},
            "id, author, kind, language and key take 2155 bytes of JSON, the limit is 2048",
        ),
        (
            {"id": "a", "text": "A", "url": "u" * 41_000},
            "a passage of the text with title and url take 41065 bytes of JSON, the limit is 40960",
        ),
        ({"id": "a", "text": "\x00\x01"}, "the document has no text"),
    ],
)
def test_what_the_index_would_refuse_is_a_bad_document(
    world: World, document: dict[str, str], reason: str
) -> None:
    world.corpus.put("a.jsonl", lines(document, {"id": "good", "text": "Good."}))
    settle(world, "a.jsonl")
    assert [each["reason"] for each in world.dead_letters.messages] == [reason]
    assert world.vectors.texts() == ["Good."]


def test_a_huge_object_is_refused_unread(world: World) -> None:
    world.corpus.objects[KEY] = (ObjectHead('"1"', MAX_OBJECT_BYTES + 1), b"not read")
    assert settle(world) == Outcome("indexed", problems=1)
    (message,) = world.dead_letters.messages
    assert message["reason"] == f"the object has {MAX_OBJECT_BYTES + 1} bytes, the limit is 64 MiB: split it"


def test_many_vectors_are_put_in_several_requests(world: World) -> None:
    count = BATCH_VECTORS * 2 + 7
    world.corpus.put("a.jsonl", lines(*({"id": str(each), "text": f"Text {each}."} for each in range(count))))
    assert settle(world, "a.jsonl").vectors == count
    assert len(world.vectors.records) == count
    world.corpus.delete("a.jsonl")
    assert settle(world, "a.jsonl").removed == count
    assert world.vectors.records == {}


def test_work_stops_before_the_invocation_ends_and_a_retry_goes_on(world: World) -> None:
    count = BATCH_VECTORS * 3
    world.corpus.put("a.jsonl", lines(*({"id": str(each), "text": f"Text {each}."} for each in range(count))))

    class SlowVectors:
        def __getattr__(self, name: str) -> Any:
            world.now += 60
            return getattr(world.vectors, name)

    stores = world.stores()
    slow = Indexer(
        type(stores)(stores.corpus, stores.states, SlowVectors(), stores.dead_letters),
        world.encoder,
        lambda: world.now,
        "slow",
    )
    with pytest.raises(OutOfTimeError) as caught:
        slow.settle("a.jsonl", world.now + 100)
    assert str(caught.value) == "a.jsonl is too much for one invocation; a retry goes on with it"
    assert len(world.vectors.records) == BATCH_VECTORS * 2
    assert world.indexer("b").settle("a.jsonl", FAR).documents == BATCH_VECTORS
    assert len(world.vectors.records) == count


def test_no_chunk_is_lost_when_one_document_fills_several_requests(world: World) -> None:
    text = long_text(BATCH_VECTORS + 10)
    world.corpus.put("a.txt", text)
    outcome = settle(world, "a.txt")
    assert outcome.vectors > BATCH_VECTORS
    found = " ".join(world.vectors.texts())
    assert set(found.split()) == set(text.split())


def test_of_very_many_bad_documents_the_first_are_named_and_the_others_counted(world: World) -> None:
    bad = [{"text": f"Line {number}"} for number in range(MAX_PROBLEMS + 7)]
    world.corpus.put("a.jsonl", lines(*bad, {"id": "good", "text": "Found."}))
    assert settle(world, "a.jsonl") == Outcome("indexed", documents=1, vectors=1, problems=MAX_PROBLEMS + 1)
    sent = world.dead_letters.messages
    assert [each["line"] for each in sent[:MAX_PROBLEMS]] == list(range(1, MAX_PROBLEMS + 1))
    assert len(sent) == MAX_PROBLEMS + 1
    assert sent[-1]["reason"] == "7 more documents after this line cannot be indexed"
    assert (sent[-1]["document"], sent[-1]["line"]) == (None, MAX_PROBLEMS)
    assert world.vectors.texts() == ["Found."]


def test_a_text_that_is_too_much_to_chunk_is_refused_before_it_is() -> None:
    encoder = FakeEncoder()
    for size, accepted in ((MAX_CHARACTERS, True), (MAX_CHARACTERS + 1, False)):
        plan = make_plan("a.txt", IndexState(), [Document("a.txt", "x".ljust(size - 1) + "y")], encoder)
        (problem,) = plan.problems
        assert ("bytes of JSON" in problem.reason) is accepted
    assert problem == Problem("the text has 4000001 characters, the limit is 4000000: split it", "a.txt")


def test_the_largest_passage_counts_in_bytes_and_not_in_characters() -> None:
    wide = "\u3000" * 9_000  # six bytes of JSON each
    text = " ".join(["word"] * 200 + ["a" + " " * 20_000 + "b"] + ["word"] * 400 + [f"c{wide}d"])
    plan = make_plan("a.txt", IndexState(), [Document("a.txt", text)], FakeEncoder())
    assert plan.changes == ()
    assert "bytes of JSON, the limit is 40960" in plan.problems[0].reason
