"""The pictures of a report: frames with everybody's box, and nobody's face that the reader has no need to see."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.alignment import head_crop
from enroll.errors import BadInput
from enroll.findings import Findings
from enroll.looks import spread
from enroll.report.who import Who
from enroll.sightings import Picture
from enroll.subject import CERTAIN, Person

__all__ = ["Box", "Shot", "contact_sheet", "data_uri", "portrait"]

MOST_PICTURES = 12
SHEET_BYTES = 720_000
"""What all pictures of the sheet may weigh together as JPEG."""

_QUALITIES = (84, 76, 66, 54, 40, 25)
# A veiled picture has so many cells along its longest edge: a face that fills it has six from chin to brow.
_CELLS = 16
# A head with its hair, in widths and heights of the face's box from its middle.
_HEAD = (0.85, 0.95)


@dataclass(frozen=True)
class Box:
    """A face in a picture, in percent of its width and height; ``number`` is None for somebody who does not count."""

    x: float
    y: float
    width: float
    height: float
    number: int | None
    own: bool


@dataclass(frozen=True)
class Shot:
    """One picture of the contact sheet, with a line that says what is in it."""

    src: str
    width: int
    height: int
    second: float
    boxes: tuple[Box, ...]
    says: str


def contact_sheet(findings: Findings, shown: Collection[int], subject: int | None) -> tuple[Shot, ...]:
    """Frames from the whole clip, at most ``MOST_PICTURES``.

    Args:
        findings: what was found in the clip.
        shown: numbers of the people whose faces may be seen. As soon as the clip has anybody else in it, every frame is
            veiled but for the heads of these: the detector misses faces from behind and from far, a veil does not.
        subject: the number of the one whose box is marked.
    """
    if findings.sightings is None:
        return ()
    who = Who(findings)
    pictures = _some(findings.sightings.pictures)
    veil = _strangers(findings, who, shown)
    drawn = [_veiled(picture, who, shown, everything=veil) for picture in pictures]
    return tuple(
        Shot(src, *_size(picture), picture.second, _boxes(picture, who, subject), _says(picture, who, subject))
        for picture, src in zip(pictures, _within(drawn, SHEET_BYTES), strict=True)
    )


def portrait(person: Person) -> str:
    """The best look at somebody, as a data URI; empty where there is none."""
    best = spread(person.looks, 1)
    return data_uri(head_crop(best[0].patch, best[0].landmarks)) if best else ""


def data_uri(pixels: NDArray[np.uint8], quality: int = 90) -> str:
    """RGB uint8 (H, W, 3) as a JPEG in a ``data:`` address."""
    return "data:image/jpeg;base64," + b64encode(_jpeg(pixels, quality)).decode()


def _some(pictures: Sequence[Picture]) -> list[Picture]:
    if len(pictures) <= MOST_PICTURES:
        return list(pictures)
    return [pictures[i] for i in np.linspace(0, len(pictures) - 1, MOST_PICTURES).round().astype(int)]


def _strangers(findings: Findings, who: Who, shown: Collection[int]) -> bool:
    """Whether the clip has anybody in it whose face is not to be seen."""
    if any(person.number not in shown for person in findings.people):
        return True
    tracks = findings.sightings.tracks if findings.sightings is not None else ()
    sure = [look for track in tracks for look in track.looks if look.confidence >= CERTAIN]
    seen = [
        look for picture in (findings.sightings.pictures if findings.sightings else ()) for _, look in picture.faces
    ]
    return any(who.number(look) not in shown for look in (*sure, *(k for k in seen if k.confidence >= CERTAIN)))


def _veiled(picture: Picture, who: Who, shown: Collection[int], *, everything: bool) -> NDArray[np.uint8]:
    """The picture without the faces of all who are not shown; with ``everything``, with nothing but the shown heads."""
    pixels = picture.pixels.copy()
    height, width = pixels.shape[:2]
    scale = np.array([width, height, width, height])
    own = [np.array(box) * scale for box, look in picture.faces if who.number(look) in shown]
    others = [np.array(box) * scale for box, look in picture.faces if who.number(look) not in shown]
    others += [np.array(box) * scale for box in who.followed(picture.second, but=shown)]
    if everything:
        clear = np.zeros((height, width), np.uint8)
        for x0, y0, x1, y1 in own:
            centre = (round((x0 + x1) / 2), round(y0 + 0.42 * (y1 - y0)))
            cv2.ellipse(clear, centre, (round(_HEAD[0] * (x1 - x0)), round(_HEAD[1] * (y1 - y0))), 0, 0, 360, 255, -1)
        pixels = np.where(clear[..., None] > 0, pixels, _coarse(pixels)).astype(np.uint8)
    for x0, y0, x1, y1 in others:
        hidden = np.zeros((height, width), np.uint8)
        centre = (round((x0 + x1) / 2), round((y0 + y1) / 2))
        cv2.ellipse(hidden, centre, (round((x1 - x0) * 0.62), round((y1 - y0) * 0.62)), 0, 0, 360, 255, -1)
        for left, top, right, bottom in own:
            # A head in front of another stays whole.
            hidden[max(0, round(top)) : round(bottom), max(0, round(left)) : round(right)] = 0
        if hidden.any():
            pixels[hidden > 0] = pixels[hidden > 0].mean(0).astype(np.uint8)
    return pixels


def _coarse(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    edge = max(height, width) / _CELLS
    cells = (max(1, round(width / edge)), max(1, round(height / edge)))
    few = cv2.resize(pixels, cells, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _boxes(picture: Picture, who: Who, subject: int | None) -> tuple[Box, ...]:
    boxes = []
    for (x0, y0, x1, y1), look in picture.faces:
        left, top, right, bottom = (min(max(v, 0.0), 1.0) * 100 for v in (x0, y0, x1, y1))
        number = who.number(look)
        boxes.append(Box(left, top, right - left, bottom - top, number, number is not None and number == subject))
    return tuple(boxes)


def _says(picture: Picture, who: Who, subject: int | None) -> str:
    numbers = [who.number(look) for _, look in picture.faces]
    known = sorted({number for number in numbers if number is not None})
    names = [f"person {number}{' (the subject)' if number == subject else ''}" for number in known]
    unknown = numbers.count(None)
    names += [f"{unknown} other face{'s' if unknown > 1 else ''}"] if unknown else []
    return f"{picture.second:.1f} s: {', '.join(names) if names else 'nobody'}"


def _size(picture: Picture) -> tuple[int, int]:
    height, width = picture.pixels.shape[:2]
    return width, height


def _within(pictures: Sequence[NDArray[np.uint8]], budget: int) -> list[str]:
    """Data URIs at the best quality at which all of them together are no larger than ``budget`` bytes of JPEG."""
    for quality in _QUALITIES:
        coded = [_jpeg(pixels, quality) for pixels in pictures]
        if sum(map(len, coded)) <= budget:
            break
    return ["data:image/jpeg;base64," + b64encode(jpeg).decode() for jpeg in coded] if pictures else []


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    bgr = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise BadInput("a picture of this report cannot be drawn")
    return coded.tobytes()
