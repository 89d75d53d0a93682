"""Words of the API's reference: `code` between backticks, paragraphs between empty lines. Nothing else of Markdown."""

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_CODE = re.compile(r"`([^`]+)`")


@register.filter
def code_words(text: str) -> SafeString:
    """The text with what stands between backticks as code; everything in it is escaped first."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 -- escaped on the same line


@register.filter
def paragraphs(text: str) -> list[str]:
    """What stands between empty lines."""
    return [part for part in text.split("\n\n") if part.strip()]
