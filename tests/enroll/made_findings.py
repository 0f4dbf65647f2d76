"""Findings made by hand: people with faces of noise, voices, cuts, a challenge; for tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enroll.attribution import Attribution
from enroll.background import Background
from enroll.clip import Clip
from enroll.consent import ConsentRecord
from enroll.errors import KitError, SeveralPeople
from enroll.findings import Findings
from enroll.identity import Coverage, Crop, Embedding, Identity, Pose, Speech, View
from enroll.liveness import Check, Liveness
from enroll.looks import Look
from enroll.pose import project
from enroll.sightings import Picture, Sightings
from enroll.speakers import Speaker
from enroll.subject import Person
from enroll.sync import Agreement
from enroll.tracking import MOUTH_SHAPE, HeadTrack, Track
from enroll.turns import SeenTurn
from enroll.voice import Heard, Hearing

HOSTILE = '<script>alert("x")</script>'
SECONDS, RATE = 12.0, 16_000
HEIGHT, WIDTH = 180, 320
FACES = {1: (0.15, 0.25, 0.35, 0.65), 2: (0.65, 0.25, 0.85, 0.65)}
"""Where the people's faces are, as shares of the picture."""


def clip(name: str = "film.mp4") -> Clip:
    return Clip(Path(name), "ab" * 32, SECONDS, np.zeros(0, np.float32), 1280, 720, 25.0, None, (), 0.0, ())


def pixels(second: float) -> NDArray[np.uint8]:
    """Noise in blocks of two pixels, other at each moment."""
    rng = np.random.default_rng(int(second * 10))
    blocks = rng.integers(0, 256, (HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    return np.kron(blocks, np.ones((2, 2, 1), np.uint8))


def look(number: int, second: float, yaw: float = 0.0) -> Look:
    x0, y0, x1, y1 = FACES[number]
    patch = np.full((90, 80, 3), 40 * number, np.uint8)
    points = (project(Pose(yaw=yaw)) * 20 + 40).astype(np.float32)
    box = np.array([20, 15, 60, 65], np.float32)
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    return Look(0, second, patch, box, points, 1.0, centre, 288.0, (0.4, 0.2), Pose(yaw), 0.8)


def person(number: int, looks: tuple[Look, ...]) -> Person:
    seconds = np.arange(0, SECONDS, 0.04)
    yaw = 40 * np.sin(seconds)
    poses = np.stack([yaw, yaw / 4, 0 * yaw], 1).astype(np.float32)
    head = HeadTrack(seconds, poses, np.zeros((len(seconds), *MOUTH_SHAPE), np.uint8))
    return Person(number, looks, head, 0.98, 0.9)


def findings(
    *numbers: int, subject: int | None = None, voice: bool = True, refusal: KitError | None = None
) -> Findings:
    """People of these numbers, seen all through the clip in seven pictures of which the track kept five looks."""
    moments = [float(s) for s in np.linspace(0.2, 11.5, 7)]
    looks = {n: [look(n, s, 10 * s - 50) for s in moments] for n in numbers}
    pictures = tuple(
        Picture(s, pixels(s), tuple((FACES[n], looks[n][i]) for n in numbers)) for i, s in enumerate(moments)
    )
    kept = {n: tuple(k for i, k in enumerate(looks[n]) if i not in (2, 4)) for n in numbers}
    people = tuple(person(n, kept[n]) for n in numbers)
    tracks = tuple(_track(n, kept[n], moments) for n in numbers)
    made = Findings(
        clip(),
        Sightings(tracks, len(moments), 120.0, (4.0, 8.5), pictures),
        people,
        next((p for p in people if p.number == subject), None),
        refusal=refusal,
    )
    return replace(made, **_voices(len(people))) if voice else made


def _track(number: int, kept: tuple[Look, ...], moments: list[float]) -> Track:
    x0, y0, x1, y1 = FACES[number]
    middle = np.array([(x0 + x1) / 2 * 480, (y0 + y1) / 2 * 270])
    points = (project(Pose()) * 22 + 0).astype(np.float32)
    points = (points - points.mean(0) + middle).astype(np.float32)
    mouth = np.zeros(MOUTH_SHAPE, np.uint8)
    return Track(list(kept), list(moments), [points] * len(moments), [mouth] * len(moments))


def _voices(people: int) -> dict[str, object]:
    mine, others, doubt = (RATE, 5 * RATE), (6 * RATE, 9 * RATE), (9 * RATE, 10 * RATE)
    hearing = Hearing(
        (mine, others, doubt),
        (Speaker(1, (mine,), (mine,)), Speaker(2, (others,), (others,))),
        (doubt,),
        Background(24.0, 0.3, 0.01),
    )
    yes = Agreement(6.2, 0.0, 0.9, 0.1, 4.0, "agrees")
    no = Agreement(0.3, 0.0, 0.1, 0.1, 4.0, "disagrees")
    rows = ((yes, no), (no, no))[:people]
    heard = Heard(np.zeros(4 * RATE, np.float32), (mine,), 4.0, 0.8, True)
    return {"hearing": hearing, "attribution": Attribution(rows, (0 if people else None, None)), "heard": heard}


def answered(found: Findings) -> Findings:
    """The same with a challenge that was met but for its turns."""
    checks = (
        Check("time", True, "filmed in time"),
        Check("digits", True, "6 digits from 2.0 to 4.0 s"),
        Check("mouth", False, "not judged", "without this", "see there"),
        Check("turns", False, "1 turns", "they are not as asked", "turn farther"),
    )
    turns = (SeenTurn("left", 5.0, 6.0, 30.0, 1.5),)
    return replace(found, liveness=Liveness("spoken", checks, None, (2.0, 4.0), turns))


def several() -> SeveralPeople:
    return SeveralPeople("2 people in film.mp4: 1 left; 2 right", hint="say who it is with --subject NUMBER")


def identity(consent: ConsentRecord) -> Identity:
    """What is kept as the consent's scope goes."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for _ in range(6)]
    vectors = [rng.normal(size=8).astype(np.float32) for _ in range(2)]
    views = (View(vectors[0], 0.5, 0.5, Pose(-20)), View(vectors[1], 1.5, 0.5, Pose(200)))
    embeddings = {
        "face": Embedding("dlib-resnet-128", "face", vectors[0], views, 0.9, spread=0.021),
        "body": Embedding("appearance", "body", vectors[0], views, 0.6, spread=0.1),
        "voice": Embedding("ge2e-256", "voice", vectors[0], (), 0.7, 6.25),
    }
    crops = {
        "face": [Crop("head", picture, 0.5, 0.8, Pose(-20)) for picture in pictures[:4]],
        "body": [Crop("body", picture, 0.5, 0.9) for picture in pictures[4:]],
        "voice": [],
    }
    seen = "face" in consent.scope or "body" in consent.scope
    return Identity(
        "0" * 8,
        consent.consent_id,
        consent.handle,
        {e.space: e for part in consent.scope for e in [embeddings[part]]},
        tuple(crop for part in consent.scope for crop in crops[part]),
        Speech(np.zeros(2 * RATE, np.float32)) if "voice" in consent.scope else None,
        Coverage((-20, 15), (-5, 5), 88, 40, 6.25, (HOSTILE,)) if seen else Coverage(speech_seconds=6.25),
    )
