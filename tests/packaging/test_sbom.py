"""The bill of materials and the licences: every component is there, with what the form asks for."""

import json
import re
import uuid
from pathlib import Path

import pytest
from installers import components, notices, sbom
from installers.components import Component
from installers.file_list import ListedFile
from installers.project import Project

EPOCH = 1_767_225_600  # 2026-01-01
COMPONENTS = (
    Component("Some_Package", "1.0+cpu", "pypi", "MIT", ("The MIT text.",)),
    Component("libx", "1:2.0-3", "deb", "see the text", ("A long text.",)),
    Component("both", "2", "pypi", "MIT OR Apache-2.0", ("Two texts.",)),
    Component("bare", "3", "pypi", "see its home page", ()),
)
MODELS = (
    ListedFile("nano/config.json", False, 3, "aa" * 32),
    ListedFile("nano/model.safetensors", False, 5, "bb" * 32),
)


@pytest.fixture
def bill(facts: Project) -> dict[str, object]:
    told = json.loads(sbom.text_of(sbom.document(facts, COMPONENTS, MODELS, EPOCH)))
    assert isinstance(told, dict)
    return told


def test_the_head_is_that_of_the_form(bill: dict[str, object]) -> None:
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["specVersion"] == "1.6"
    assert bill["version"] == 1
    serial = str(bill["serialNumber"])
    assert uuid.UUID(serial.removeprefix("urn:uuid:")).version == 5
    metadata = bill["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["timestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["component"]["version"] == "1.2.3"
    assert metadata["component"]["licenses"] == [{"expression": "Apache-2.0"}]


def test_every_component_has_what_the_form_requires(bill: dict[str, object]) -> None:
    listed = bill["components"]
    assert isinstance(listed, list) and len(listed) == len(COMPONENTS) + len(MODELS)
    kinds = {"application", "library", "machine-learning-model", "data"}
    for item in listed:
        assert item["type"] in kinds and item["name"] and item["bom-ref"]
        for licence in item.get("licenses", ()):
            assert set(licence) in ({"expression"}, {"license"})
    references = [item["bom-ref"] for item in listed]
    assert len(set(references)) == len(references)
    (tree,) = bill["dependencies"]  # type: ignore[misc]
    assert tree["dependsOn"] == sorted(references)


def test_addresses_of_packages_are_escaped() -> None:
    assert [item.purl for item in COMPONENTS] == [
        "pkg:pypi/some-package@1.0%2Bcpu",
        "pkg:deb/debian/libx@1%3A2.0-3",
        "pkg:pypi/both@2",
        "pkg:pypi/bare@3",
    ]


def test_the_weights_are_told_by_their_digest(bill: dict[str, object]) -> None:
    weights = bill["components"][-1]  # type: ignore[index]
    assert weights["type"] == "machine-learning-model"
    assert weights["hashes"] == [{"alg": "SHA-256", "content": "bb" * 32}]


def test_the_same_content_gives_the_same_bill(facts: Project) -> None:
    one = sbom.document(facts, COMPONENTS, MODELS, EPOCH)
    assert sbom.document(facts, COMPONENTS, MODELS, EPOCH) == one
    other = sbom.document(facts, COMPONENTS[1:], MODELS, EPOCH)
    assert other["serialNumber"] != one["serialNumber"]


def test_the_licences_begin_with_our_own_and_hold_every_text() -> None:
    text = notices.text_of("Our licence.\n", COMPONENTS)
    assert text.startswith("Our licence.\n")
    assert "Some_Package 1.0+cpu: MIT\n\nThe MIT text." in text
    assert all(words in text for item in COMPONENTS for words in item.texts)
    assert notices.without_licence(COMPONENTS) == ("bare",)


def test_what_the_program_needs_is_found_and_what_builds_it_is_not(tmp_path: Path) -> None:
    found = {item.name.lower(): item for item in components.all_components(tmp_path)}
    assert {"numpy", "torch", "pyside6_essentials", "pynacl", "python"} <= set(found)
    assert not {"pytest", "mypy", "pyinstaller", "parley"} & set(found)
    assert found["python"].texts and found["python"].kind == "generic"


def test_only_libraries_beside_no_package_are_the_systems(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    for name in ("libssl.so.3", "base_library.zip", "torch/libtorch.so", "zlib1.dll"):
        (tmp_path / name).touch()
    assert components.system_libraries(tmp_path) == ("libssl.so.3", "zlib1.dll")
    assert components.system_libraries(tmp_path / "missing") == ()


def test_a_library_of_debian_is_told_with_its_copyright() -> None:
    found = components.system_packages(["libc.so.6"])
    if not found:
        pytest.skip("needs Debian")
    assert found[0].kind == "deb" and re.match(r"\d", found[0].version)
