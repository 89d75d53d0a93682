"""Words of the API's reference: `code` between backticks, paragraphs between empty lines. Nothing else of Markdown."""

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_CODE = re.compile(r"`([^`]+)`")


@register.filter
def code_words(text: str) -> SafeString:
    """The text, escaped, with what stands between backticks as code."""
    # Words and code take turns, beginning with words.
    pieces = enumerate(_CODE.split(text))
    return format_html_join("", "{}", ((format_html("<code>{}</code>", piece) if place % 2 else piece,) for place, piece in pieces))


@register.filter
def paragraphs(text: str) -> list[str]:
    """What stands between empty lines."""
    return [part for part in text.split("\n\n") if part.strip()]
