"""What has to be uploaded and removed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.corpus.difference import difference

keys = st.sampled_from(["a", "b", "c", "d"])
hashes = st.sampled_from(["1", "2"])


@given(st.dictionaries(keys, hashes), st.dictionaries(keys, hashes | st.none()))
def test_carrying_it_out_makes_the_bucket_equal_to_the_folder(
    local: dict[str, str], remote: dict[str, str | None]
) -> None:
    found = difference(local, remote)
    after = {key: value for key, value in remote.items() if key not in found.remove}
    after |= {key: local[key] for key in found.upload}
    assert after == local
    assert set(found.unchanged) == set(local) - set(found.upload)
    assert all(remote.get(key) != local[key] for key in found.upload)


@given(st.dictionaries(keys, hashes))
def test_equal_sides_need_nothing(local: dict[str, str]) -> None:
    found = difference(local, local)
    assert (found.upload, found.remove) == ((), ())
