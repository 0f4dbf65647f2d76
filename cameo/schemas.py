"""JSON Schemas (draft 2020-12) of what is signed, made from the models that read it.

python -m cameo.schemas docs/schemas
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from cameo.status import StatusList
from cameo.vault import Certificate, SignedGrant
from enroll.consent import ConsentRecord
from enroll.receipt import Receipt

__all__ = ["SCHEMAS", "schema", "write"]

SCHEMAS: Final[dict[str, type[BaseModel]]] = {
    "consent": ConsentRecord,
    "receipt": Receipt,
    "signed-grant": SignedGrant,
    "status-list": StatusList,
    "certificate": Certificate,
}
"""By the name of the file, which is that of its vectors too."""


def schema(name: str) -> dict[str, Any]:
    """One schema as a JSON document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | SCHEMAS[name].model_json_schema(
        mode="validation"
    )


def write(folder: Path) -> None:
    """All of them, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        (folder / f"{name}.schema.json").write_text(json.dumps(schema(name), indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
