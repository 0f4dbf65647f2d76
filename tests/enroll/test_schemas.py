"""What is published is what is read: the schemas in docs/ are those of the models, and hold what is issued."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from enroll.consent import ConsentRecord
from enroll.receipt import Receipt
from enroll.schemas import SCHEMAS, schema, write

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def test_the_published_schemas_are_current(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name for path in PUBLISHED.iterdir()} == {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        assert (PUBLISHED / path.name).read_text() == path.read_text(), "run: python -m enroll.schemas docs/schemas"


def faults(value: Any, rule: dict[str, Any], root: dict[str, Any], where: str = "$") -> list[str]:
    """Draft 2020-12 by hand, as far as these schemas go; a keyword it does not know is a fault too."""
    known = {"$ref", "$defs", "$schema", "title", "description", "default", "format"}
    known |= {"type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "properties"}
    known |= {"required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "anyOf"}
    known |= {"propertyNames"}
    found = [f"{where}: unknown keyword {key}" for key in rule if key not in known]
    if "$ref" in rule:
        return found + faults(value, root["$defs"][rule["$ref"].rpartition("/")[2]], root, where)
    if "anyOf" in rule and all(faults(value, one, root, where) for one in rule["anyOf"]):
        found.append(f"{where}: none of anyOf")
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    kind = rule.get("type")
    if kind == "null" and value is not None:
        found.append(f"{where}: not null")
    elif kind in kinds and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [*found, f"{where}: not {kind}"]
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{where}: not in enum")
    if "const" in rule and value != rule["const"]:
        found.append(f"{where}: not const")
    if isinstance(value, str):
        found += [f"{where}: pattern"] if not re.search(rule.get("pattern", ""), value) else []
        found += (
            [f"{where}: length"] if not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", 1e9) else []
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found += [f"{where}: range"] if not rule.get("minimum", -1e99) <= value <= rule.get("maximum", 1e99) else []
    if isinstance(value, list):
        found += [f"{where}: items"] if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", 1e9) else []
        rules = rule.get("prefixItems", [])
        for n, one in enumerate(value):
            found += faults(one, rules[n] if n < len(rules) else rule.get("items", {}), root, f"{where}[{n}]")
    if isinstance(value, dict):
        properties = rule.get("properties", {})
        found += [f"{where}.{name}: missing" for name in rule.get("required", []) if name not in value]
        for name, one in value.items():
            extra = rule.get("additionalProperties", True)
            if name in properties:
                found += faults(one, properties[name], root, f"{where}.{name}")
            elif extra is False:
                found.append(f"{where}.{name}: not allowed")
            elif isinstance(extra, dict):
                found += faults(one, extra, root, f"{where}.{name}")
    return found


@pytest.fixture(scope="module")
def issued() -> dict[str, dict[str, Any]]:
    key, now = OKPKey.generate_key("Ed25519"), datetime.now(UTC)
    consent = ConsentRecord.new(name="Ada", handle="ada").sign(key).agree(key).attest(by="Op", key=key)
    receipt = Receipt.of(consent, enrolled=now, key=key, now=now)
    return {"consent": json.loads(consent.to_json()), "receipt": json.loads(receipt.to_json())}


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_issued_is_valid(name: str, issued: dict[str, dict[str, Any]]) -> None:
    rules = json.loads((PUBLISHED / f"{name}.schema.json").read_text())
    assert rules == schema(name)
    assert faults(issued[name], rules, rules) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_lacks_or_adds_a_field_is_not(name: str, issued: dict[str, dict[str, Any]]) -> None:
    rules = schema(name)
    for field in rules["required"]:
        assert faults({k: v for k, v in issued[name].items() if k != field}, rules, rules)
    assert faults(issued[name] | {"extra": 1}, rules, rules)
