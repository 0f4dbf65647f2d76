"""Grant terms, as they travel in a package: who may use somebody, for what, until when, how often."""

from __future__ import annotations

from tests.vectors.book import Book
from tests.vectors.forge import Json
from tests.vectors.kinds.consents import NOW, attested, signed

__all__ = ["book", "terms"]

_DENIED = "cameo_permission_denied"


def terms(principal: str = "user:bob", **how: object) -> Json:
    return {"principal": principal, "allowed": True, "uses": [], "scenes": None, "until": None, "made": 0} | how


def book() -> Book:
    made = Book(
        "grant",
        (
            "May this user do this now? grants: every answer given, one a principal; a no by name beats everyone, and"
            " the owner always may. user: who asks; purpose: what for; now: when.",
            "In the groups GrantNarrows: does a grant lie within the consent?",
        ),
    )
    group = made.group("GrantPermits", user="bob", purpose="generate", now=NOW)
    base = group.valid("allowed by name", grants=[terms()])
    bounded = [terms(scenes=3, made=2, until="2026-11-03T12:00:01Z", uses=["generate"])]
    edge = group.valid("the last scene, in the last second", flags=("Edge",), grants=bounded)
    everyone = group.valid("everyone", grants=[terms("everyone")])
    owner = group.valid("the owner, whatever anybody said", grants=[terms("owner", allowed=False)], user="owner")
    named = group.valid("by name, where everyone may not", grants=[terms("everyone", allowed=False), terms()])
    group.valid("any purpose", grants=[terms(uses=["evaluate"])], purpose=None)

    def no(comment: str, flag: str, source: int = base, **inputs: object) -> None:
        group.invalid(comment, _DENIED, flag, source=source, **inputs)

    no("nobody was allowed", "Beyond", grants=[])
    no("a no", "Beyond", grants=[terms(allowed=False)])
    no("another is allowed", "Replayed", grants=[terms("user:bobby")])
    no("another asks", "Replayed", grants=[terms()], user="carol")
    no("in other letters", "Replayed", grants=[terms("user:Bob")])
    no("a no by name, where everyone may", "Beyond", source=named, grants=[terms("everyone"), terms(allowed=False)])
    no("everyone may not", "Beyond", source=everyone, grants=[terms("everyone", allowed=False)])
    no("somebody who is not the owner", "Replayed", source=owner, grants=[terms("owner", allowed=False)], user="bob")
    late = [terms(scenes=3, made=2, until=NOW, uses=["generate"])]
    no("in the second it ends", "Expired", source=edge, grants=late)
    no("used up", "Beyond", source=edge, grants=[bounded[0] | {"made": 3}])
    no("more than used up", "Beyond", source=edge, grants=[bounded[0] | {"made": 4}])
    no("for another purpose", "Beyond", source=edge, grants=bounded, purpose="personalize")
    no("only for other purposes", "Beyond", grants=[terms(uses=["evaluate", "personalize"])])

    group = made.group("GrantNarrows", consent=signed(attested()))
    whole = group.valid("until the consent ends", grants=[terms(until="2027-11-03T12:00:00Z", uses=["generate"])])
    group.valid("no bounds of its own", grants=[terms()])
    for comment, grants in (
        ("a second longer than the consent", [terms(until="2027-11-03T12:00:01Z", uses=["generate"])]),
        ("before the consent begins", [terms(until="2026-11-03T11:59:59Z", uses=["generate"])]),
        ("a use that was not agreed to", [terms(until="2027-11-03T12:00:00Z", uses=["personalize"])]),
    ):
        group.invalid(comment, "usage", "Beyond", source=whole, grants=grants)
    return made
