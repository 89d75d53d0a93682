"""The QR code says what it is meant to, with room around it."""

import re

import cv2
import numpy as np
import pytest

from billing.qr import MODULE_PIXELS_LEAST, NARROW_PIXELS, QUIET_MODULES, qr_svg

ADDRESSES = [
    "http://localhost:8000/pay/GzF3g77GMinQ6zMQK_Q5WIkgdYq7mJxfFIwtYoP26Ss",
    "https://billing.a-rather-long-name-of-a-company.example.com/pay/GzF3g77GMinQ6zMQK_Q5WIkgdYq7mJxfFIwtYoP26Ss",
]


def number_in(svg: str, pattern: str) -> int:
    found = re.search(pattern, svg)
    assert found, svg[:200]
    return int(found[1])


def drawn(svg: str) -> np.ndarray:
    """The modules as an image, drawn from the path alone: 0 dark, 255 light."""
    side = number_in(svg, r'viewBox="0 0 (\d+)')
    image = np.full((side, side), 255, dtype=np.uint8)
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", svg):
        image[int(y), int(x) : int(x) + int(width)] = 0
    return image


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("width_pixels", [290, NARROW_PIXELS])
def test_it_draws_a_code_that_another_reader_reads(address: str, width_pixels: int) -> None:
    svg = qr_svg(address, label="Code", width_pixels=width_pixels)
    image = drawn(svg)

    text, _, _ = cv2.QRCodeDetector().detectAndDecode(cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST))

    assert text == address
    assert (image[:QUIET_MODULES] == 255).all()
    assert (image[:, -QUIET_MODULES:] == 255).all()
    assert (image[QUIET_MODULES] == 0).any()
    pixels = number_in(svg, r'width="(\d+)"')
    assert pixels % image.shape[0] == 0
    assert pixels // image.shape[0] >= MODULE_PIXELS_LEAST


def test_it_escapes_its_label() -> None:
    assert "<script>" not in qr_svg("https://example.com", label='"><script>')
