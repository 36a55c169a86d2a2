"""Bundles hold what functions need, are the same wherever they are built, and are built once."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bundling.conftest import Repository, make_repository
from twin.bundling import BundlingError, Target, ensure
from twin.bundling.bundles import NOUNS
from twin.bundling.digests import bundle_digest, tree_digest
from twin.bundling.sources import source

HOST = Target.host()
AWS = Target.aws()
ROOT = Path(__file__).parents[2]


def greeter(repository: Repository, target: Target = HOST) -> Path:
    return ensure(repository.root, target, ["greeter"])["greeter"].path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_bundle_holds_packages_code_and_entry_script_and_nothing_else(repository: Repository) -> None:
    assert files(greeter(repository)) == {
        "greeter/__init__.py",
        "run.sh",
        "speech/__init__.py",
        "speech/py.typed",
        "speech-1.0.dist-info/METADATA",
        "speech-1.0.dist-info/WHEEL",
        "speech-1.0.dist-info/entry_points.txt",
    }


def test_entry_script_alone_is_executable(repository: Repository) -> None:
    folder = greeter(repository)
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (folder / "greeter" / "__init__.py").stat().st_mode & 0o777 == 0o644


def test_layer_lies_below_python_with_the_encoder_in_its_package(repository: Repository) -> None:
    folder = ensure(repository.root, HOST, ["retrieval"])["retrieval"].path
    assert {name for name in files(folder) if "speech" not in name} == {
        "python/retrieval/__init__.py",
        "python/retrieval/model/encoder.onnx",
    }


def test_folder_names_function_target_and_digest(repository: Repository) -> None:
    built = ensure(repository.root, AWS, ["greeter"])["greeter"]
    assert built.path == repository.root / "build" / "bundles" / f"greeter-aws-arm64-{built.digest[:16]}"
    assert built.path.is_dir()


def test_same_input_gives_the_same_bytes_times_and_digest_elsewhere(
    repository: Repository, tmp_path: Path
) -> None:
    twin = make_repository(tmp_path / "elsewhere" / "checkout")
    first, second = (ensure(one.root, HOST, ["greeter", "retrieval"]) for one in (repository, twin))
    for noun in ("greeter", "retrieval"):
        assert first[noun].digest == second[noun].digest
        assert tree_digest(first[noun].path) == tree_digest(second[noun].path)
        times = {path.stat().st_mtime for one in (first, second) for path in one[noun].path.rglob("*")}
        assert times == {315_532_800.0}


def test_targets_have_bundles_of_their_own(repository: Repository) -> None:
    assert greeter(repository, HOST) != greeter(repository, AWS)


@pytest.mark.parametrize(
    "change",
    [
        "greeter/__init__.py",
        "greeter/new.py",
        "run.sh",
        "bundle.toml",
        "requirements.txt",
    ],
)
def test_every_input_changes_the_digest(repository: Repository, change: str) -> None:
    before = bundle_digest(source(repository.root, "greeter"), HOST)
    path = repository.greeter / change
    path.write_text((path.read_text() if path.exists() else "") + "\n")
    assert bundle_digest(source(repository.root, "greeter"), HOST) != before


def test_byte_code_is_no_input(repository: Repository) -> None:
    before = bundle_digest(source(repository.root, "greeter"), HOST)
    cache = repository.greeter / "greeter" / "__pycache__"
    cache.mkdir()
    (cache / "module.cpython-311.pyc").write_bytes(b"code")
    assert bundle_digest(source(repository.root, "greeter"), HOST) == before


def test_a_shared_package_is_in_the_bundle_and_its_digest(repository: Repository) -> None:
    shared = repository.root / "lambda" / "manners" / "manners"
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("POLITE = True\n")
    (repository.greeter / "bundle.toml").write_text('[shared]\npackages = ["manners"]\n')
    first = greeter(repository)
    assert (first / "manners" / "__init__.py").read_text() == "POLITE = True\n"
    (shared / "__init__.py").write_text("POLITE = False\n")
    assert greeter(repository) != first


def test_a_shared_package_that_does_not_exist_is_named(repository: Repository) -> None:
    (repository.greeter / "bundle.toml").write_text('[shared]\npackages = ["manners"]\n')
    with pytest.raises(
        BundlingError, match=r"^greeter/bundle.toml: .*/lambda/manners/manners does not exist$"
    ):
        greeter(repository)


def test_what_is_built_is_only_looked_up(repository: Repository) -> None:
    first = greeter(repository)
    shutil.rmtree(repository.wheel.path.parent)
    assert greeter(repository) == first
    with pytest.raises(BundlingError, match="installing its packages failed"):
        greeter(repository, AWS)


def test_encoder_is_built_once_for_all_targets_and_versions_of_the_code(repository: Repository) -> None:
    ensure(repository.root, HOST, ["retrieval"])
    ensure(repository.root, AWS, ["retrieval"])
    (repository.retrieval / "retrieval" / "new.py").write_text("")
    ensure(repository.root, HOST, ["retrieval"])
    assert repository.encoder_builds == 1


def test_a_changed_encoder_script_is_run_again(repository: Repository) -> None:
    ensure(repository.root, HOST, ["retrieval"])
    script = repository.retrieval / "build_encoder.py"
    script.write_text(script.read_text() + "\n# changed\n")
    ensure(repository.root, HOST, ["retrieval"])
    assert repository.encoder_builds == 2


def test_builders_at_the_same_time_build_once(repository: Repository) -> None:
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: ensure(repository.root, HOST, ["retrieval"]), range(4)))
    assert len({one["retrieval"].path for one in built}) == 1
    assert repository.encoder_builds == 1
    assert repository.leftovers() == []


def test_wrong_hash_fails_and_leaves_nothing(repository: Repository) -> None:
    (repository.greeter / "requirements.txt").write_text(repository.wheel.lock_line("0" * 64))
    with pytest.raises(
        BundlingError, match=r"^greeter: installing its packages failed with exit code \d+:\n"
    ):
        greeter(repository)
    assert list((repository.root / "build" / "bundles").glob("greeter-*")) == []
    assert repository.leftovers() == []


def test_package_without_a_hash_fails(repository: Repository) -> None:
    (repository.greeter / "requirements.txt").write_text("speech==1.0\n")
    with pytest.raises(BundlingError, match="hash"):
        greeter(repository)


def test_failing_encoder_names_the_step(repository: Repository) -> None:
    (repository.retrieval / "build_encoder.py").write_text("raise SystemExit('weights are missing')\n")
    with pytest.raises(BundlingError) as raised:
        ensure(repository.root, HOST, ["retrieval"])
    assert str(raised.value) == (
        "retrieval: building its encoder failed with exit code 1:\nweights are missing"
    )


def test_source_without_a_lock_is_named(repository: Repository) -> None:
    (repository.greeter / "requirements.txt").unlink()
    with pytest.raises(BundlingError) as raised:
        greeter(repository)
    assert str(raised.value) == "greeter: lambda/greeter/requirements.txt does not exist"


@pytest.mark.parametrize("text", ["[prun]\nglobs = []\n", "[prune]\nglobs = [1]\n"])
def test_manifest_with_something_else_in_it_is_refused(repository: Repository, text: str) -> None:
    (repository.greeter / "bundle.toml").write_text(text)
    with pytest.raises(BundlingError) as raised:
        greeter(repository)
    assert (
        str(raised.value)
        == "greeter/bundle.toml: accepted: [prune] globs = [texts], [shared] packages = [names]"
    )


def test_function_without_dependencies_holds_its_own_code_alone(repository: Repository) -> None:
    (repository.greeter / "requirements.txt").write_text("# the standard library alone\n")
    shutil.rmtree(repository.wheel.path.parent)
    assert files(greeter(repository)) == {"greeter/__init__.py", "run.sh"}


@pytest.mark.parametrize("noun", NOUNS)
def test_every_function_of_this_repository_has_a_source(noun: str) -> None:
    found = source(ROOT, noun)
    assert [path for path in found.package_files() if path.suffix == ".py"]
    assert found.prefix == (Path("python") if noun == "retrieval" else Path())
    assert len(bundle_digest(found, AWS)) == 64
