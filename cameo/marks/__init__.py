"""Marks: what every scene carries to say that it was made, and of whom."""

from __future__ import annotations

from cameo.marks.authority import Authority
from cameo.marks.c2pa import CastAssertion, Manifest, StatusEntry, cast_assertion, embed, read
from cameo.marks.signer import Signer

__all__ = ["Authority", "CastAssertion", "Manifest", "Signer", "StatusEntry", "cast_assertion", "embed", "read"]
