"""What is published is what is read: the schemas in docs/ are those of the models, and a validator of another make
finds by them what the vectors say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from jsonschema import Draft202012Validator

from cameo.schemas import SCHEMAS, schema, write
from cameo.vault import Vault
from enroll.consent import ConsentRecord
from enroll.receipt import Receipt
from enroll.signature import thumbprint
from tests.cameo.vault.conftest import noise
from tests.vectors.files import vectors

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schemas"

# What a schema does not say: how one field depends on another, what is inside a text, what a calendar has.
BEYOND = {
    "consent": (
        *("format 1 with", "format 2 with", "format 3 with", "live without evidence", "a face that does not fit"),
        *("no key in the header", "a header with", "a critical extension", "a private key", "a key of another curve"),
        *("a name that reads", "a handle in capitals", "the same twice", "a grant to nobody", "a grant of an unknown"),
        *("more than 3,650 days", "no time at all", "a day that does not exist", "an hour that is the next"),
    ),
    "status-list": (
        *("the list of those who left: ", "the issuer another", "the id of another", "good for"),
        *("the two lists in another order", "one list twice"),
    ),
    "certificate": ("of format 2, with proofs",),
}


def documents(kind: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Vectors whose content is JSON, and the document."""
    for type_, _, test in vectors(kind):
        if "document" in test and type_ != "CertificateInLog":
            yield test, test["document"]


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One of each kind, as it is issued today."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMEO_KEYSTORE", "file")
        vault = Vault(tmp_path_factory.mktemp("issued") / "home")
        key, now = OKPKey.generate_key("Ed25519"), datetime.now(UTC)
        consent = ConsentRecord.new(name="Ada", handle="ada", grants=("owner", "user:bob"))
        consent = consent.sign(key).agree(key).attest(by="Op", key=vault.operator)
        vault.put(noise(0, consent), consent)
        return {
            "consent": consent.to_json(),
            "receipt": Receipt.of(consent, enrolled=now, key=key, now=now).to_json(),
            "signed-grant": vault.issue("ada", "bob", thumbprint(key), scenes=2).to_json(),
            "status-list": vault.status_list().to_json(),
            "certificate": vault.revoke("ada").to_json(),
        }


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_issued_is_valid(name: str, issued: dict[str, str]) -> None:
    Draft202012Validator(schema(name)).validate(json.loads(issued[name]))


def test_the_published_schemas_are_current(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name for path in PUBLISHED.iterdir()} == {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        assert (PUBLISHED / path.name).read_text() == path.read_text(), "run: python -m cameo.schemas docs/schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_must_be_accepted_is_valid(name: str) -> None:
    validator = Draft202012Validator(schema(name))
    valid = [document for test, document in documents(name) if test["result"] == "valid"]
    assert valid
    for document in valid:
        validator.validate(document)


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_has_fields_that_do_not_fit_is_not(name: str) -> None:
    validator = Draft202012Validator(schema(name))
    malformed = [(test["comment"], document) for test, document in documents(name) if test["flags"] == ["Malformed"]]
    assert len(malformed) >= 6
    for comment, document in malformed:
        assert validator.is_valid(document) is comment.startswith(BEYOND.get(name, ())), comment


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_lacks_or_adds_a_field_is_not(name: str) -> None:
    rules = schema(name)
    validator = Draft202012Validator(rules)
    document = next(document for test, document in documents(name) if test["result"] == "valid")
    for field in rules["required"]:
        assert not validator.is_valid({k: v for k, v in document.items() if k != field})
    assert not validator.is_valid(document | {"extra": 1})
