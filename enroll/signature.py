"""Signatures over small JSON documents: a consent, a deletion certificate, the head of a ledger.

A signature is a compact JWS (RFC 7515) with detached content (its appendix F). The content is the RFC 8785 canonical
form of the document, so that neither key order nor white space matters, and nothing else is free. The algorithm is
Ed25519 (EdDSA under its fully-specified name, RFC 9864). The signer's public key travels in the header as a JWK
(RFC 7517); whether that signer is to be trusted is the caller's question, asked by RFC 7638 thumbprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

__all__ = ["ALGORITHM", "SignatureBroken", "canonical", "sign", "thumbprint", "verify"]

ALGORITHM = "Ed25519"

_MAX_LENGTH = 1024
"""A header with one Ed25519 key and its signature take under 300 characters."""


class SignatureBroken(ValueError):
    """The signature is not one, or is not over this document. The caller says so in its own family of errors."""


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one byte form of a JSON document (RFC 8785)."""
    return rfc8785.dumps(dict(document))


def thumbprint(key: OKPKey) -> str:
    """The RFC 7638 SHA-256 thumbprint, base64url, 43 characters: how a signer is named in a list of trusted ones."""
    return key.thumbprint()


def sign(document: Mapping[str, Any], key: OKPKey) -> str:
    """Sign a document with an Ed25519 private key; returns ``header..signature``."""
    header = {"alg": ALGORITHM, "jwk": key.as_dict(private=False)}
    return str(jws.detach_content(jws.serialize_compact(header, canonical(document), key, algorithms=[ALGORITHM])))


def verify(document: Mapping[str, Any], signature: str) -> str:
    """Check a signature made by ``sign``.

    Returns:
        The thumbprint of the key that signed, for the caller to compare with those it trusts.

    Raises:
        SignatureBroken: not a signature of this kind, or the document is not the one that was signed.
    """
    if len(signature) > _MAX_LENGTH:
        raise SignatureBroken(f"signature has {len(signature)} characters, expected at most {_MAX_LENGTH}")
    try:
        content = canonical(document)
        header = jws.extract_compact(signature.encode("ascii"), content).headers()
        if set(header) != {"alg", "jwk"} or header["alg"] != ALGORITHM:
            raise SignatureBroken(f"signature header has {sorted(header)}, expected alg {ALGORITHM} and jwk alone")
        if set(header["jwk"]) != {"kty", "crv", "x"} or header["jwk"]["crv"] != "Ed25519":
            raise SignatureBroken("signature header holds no Ed25519 public key")
        key = OKPKey.import_key(header["jwk"])
        jws.deserialize_compact(signature, key, algorithms=[ALGORITHM], payload=content)
        return thumbprint(key)
    except SignatureBroken:
        raise
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # The header is anybody's JSON: what the parsers below it stumble over is theirs to choose.
        raise SignatureBroken("signature does not match") from error
