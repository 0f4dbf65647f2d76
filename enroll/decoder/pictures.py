"""From decoded frames to small SDR pictures: size, shape of the pixels, colour matrix and range, which way is up."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from enroll.decoder.tone import GREY_TO_SDR, TRANSFERS, to_sdr
from enroll.decoder.wire import Header, Refusal

if TYPE_CHECKING:
    from enroll.decoder.child import Outlet

__all__ = ["Reducer", "choose_stream", "displayed", "turn_of"]

# By FFmpeg's names. Its hundreds of decoders for games, faxes and surveillance stay out of reach.
_PHONES = {"h264", "hevc", "av1", "libdav1d", "vp9", "libvpx-vp9", "vp8", "libvpx", "vvc", "h263", "mpeg4", "mjpeg"}
_CAMERAS = {"mpeg1video", "mpeg2video", "dvvideo", "prores", "dnxhd", "vc1", "wmv1", "wmv2", "wmv3", "mjpegb"}
_EDITORS = {"ffv1", "huffyuv", "utvideo", "rawvideo", "theora", "flv", "msmpeg4", "msmpeg4v2", "svq3"}
_CODECS = _PHONES | _CAMERAS | _EDITORS
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image

# AVCOL_SPC_*: the matrices swscale knows by the frame's own tag.
_TAGGED = frozenset({1, 4, 5, 6, 7, 9})
_SPC_RGB, _SPC_BT2020_CL = 0, 10
_HD_LINES = 720
_SQUARISH = (Fraction(1, 4), Fraction(4))


def choose_stream(container: InputContainer, max_pixels: int) -> VideoStream:
    """The film among the pictures: no cover and no thumbnail, and of several the largest."""
    films = [s for s in container.streams.video if not s.disposition & _NO_FILM]
    if not films:
        raise Refusal("no_picture" if container.streams.audio else "empty")
    known = [s for s in films if s.codec_context is not None and s.codec_context.codec.name in _CODECS]
    if not known:
        raise Refusal("unsupported")
    best = max(known, key=lambda s: (s.width * s.height, bool(s.disposition & Disposition.default)))
    if best.width * best.height > max_pixels:
        raise Refusal("too_large", best.width, best.height)
    if best.width * best.height <= 0:
        raise Refusal("undecodable")
    return best


def displayed(frame: VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height in square pixels, before it is set upright. Nothing is made smaller for it.

    Args:
        frame: the frame.
        aspect: width over height of one pixel; what is unlikely counts as 1.
    """
    if not aspect or not _SQUARISH[0] <= aspect <= _SQUARISH[1]:
        return frame.width, frame.height
    if aspect > 1:
        return round(frame.width * aspect), frame.height
    return frame.width, round(frame.height / aspect)


def turn_of(frame: VideoFrame) -> int:
    """How to set a frame upright (see ``wire.Header.turn``), by the display matrix of ISO/IEC 14496-12 §8.3.2.

    The matrix moves a point to x' = a·x + c·y and y' = b·x + d·y; angles between right angles go to the nearest.
    """
    # PyAV's types know of one kind of side data only.
    data = cast("dict[str, bytes]", frame.side_data).get("DISPLAYMATRIX")
    if data is None:
        return 0
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if max(abs(a), abs(d)) >= max(abs(b), abs(c)):
        return (a < 0) << 1 | (d < 0) << 2
    return 1 | (c < 0) << 1 | (b < 0) << 2


class Reducer:
    """Makes the pictures of one clip; all have the size of the first, whatever the stream does later.

    Args:
        max_edge, grey_edge: the longest edge of the coloured and of the grey picture.
        aspect: width over height of one pixel.
    """

    def __init__(self, max_edge: int, grey_edge: int, aspect: Fraction | None) -> None:
        self._edges, self._aspect = (max_edge, grey_edge), aspect
        self._sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._turn = 0
        # A scaler is set up once for each purpose.
        self._grey, self._colour = VideoReformatter(), VideoReformatter()

    def tell(self, frame: VideoFrame, second: float, rich: bool, out: Outlet) -> None:
        """Puts one frame out; ``rich`` with its colours."""
        if self._sizes is None:
            width, height = displayed(frame, self._aspect)
            large, small = (min(1.0, edge / max(width, height)) for edge in self._edges)
            self._sizes = (_scaled(width, height, large), _scaled(width, height, small))
            self._turn = turn_of(frame)
        large_size, small_size = self._sizes
        grey = self._convert(self._grey, frame, small_size, "gray", Interpolation.AREA)
        transfer = TRANSFERS.get(frame.color_trc)
        if transfer is not None:
            grey = GREY_TO_SDR[transfer][grey]
        colours = [self._coloured(frame, large_size)] if rich else []
        width, height = large_size if rich else (0, 0)
        out.put(Header(b"F", self._turn, *small_size, width, height, second), grey, *colours)

    def _coloured(self, frame: VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
        transfer = TRANSFERS.get(frame.color_trc)
        if transfer is not None:
            return to_sdr(self._convert(self._colour, frame, size, "rgb48le", Interpolation.BILINEAR), transfer)
        pixels = self._convert(self._colour, frame, size, "rgb24", Interpolation.BILINEAR)
        if frame.interlaced_frame and size[1] == frame.height:
            _comb(pixels)
        return pixels

    def _convert(
        self, scaler: VideoReformatter, frame: VideoFrame, size: tuple[int, int], form: str, how: Interpolation
    ) -> NDArray[Any]:
        made = scaler.reformat(
            frame,
            *size,
            form,
            src_colorspace=_matrix(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=how,
            threads=1,
        )
        return np.ascontiguousarray(made.to_ndarray())


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def _matrix(frame: VideoFrame) -> int | None:
    """None where the frame's own tag says it. Untagged, large pictures are BT.709 and small ones BT.601 by custom."""
    if frame.colorspace in _TAGGED or (frame.colorspace == _SPC_RGB and frame.format.is_rgb):
        return None
    if frame.colorspace == _SPC_BT2020_CL:
        return Colorspace.BT2020
    return Colorspace.ITU709 if min(frame.width, frame.height) >= _HD_LINES else Colorspace.ITU601


def _comb(pixels: NDArray[np.uint8]) -> None:
    """Takes the teeth off what moved between two fields: a line that fits its neighbours worse than they fit each other
    becomes their mean. In place."""
    above, teeth, below = pixels[0:-2:2], pixels[1:-1:2], pixels[2::2]
    rows = min(len(above), len(teeth), len(below))
    above, teeth, below = above[:rows].astype(np.int16), teeth[:rows], below[:rows].astype(np.int16)
    mean = (above + below + 1) >> 1
    wrong = (np.abs(teeth - mean) > np.abs(above - below) + 8).any(-1, keepdims=True)
    np.copyto(teeth, mean.astype(np.uint8), where=wrong)
