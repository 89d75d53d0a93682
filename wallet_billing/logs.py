"""Logging: one JSON object per line on standard output, with the request's id, and with secrets taken out whoever logged them.

gunicorn and the launcher read it before Django's settings, so nothing here may import Django.
"""

import re
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# What must not stand in a log, wherever it came from: an address, a header, an exception's text.
_SECRETS = (
    (re.compile(r"\b((?:sk|rk)_(?:live|test)|whsec)_\w+"), r"\1_…"),
    # What a browser confirms a payment with: pi_…_secret_…, seti_…_secret_….
    (re.compile(r"(_secret)_\w+"), r"\1_…"),
    # An API key's beginning is shown on its page too, to recognise it by.
    (re.compile(r"\b(wk_(?:live|test)_[0-9a-f]{8})_[\w-]+"), r"\1_…"),
    # Tokens of payment links and invitations, and the keys in mailed links: whatever long text stands alone in a path. A UUID stays.
    (re.compile(r"(?<=/pay/)[\w-]{12,}"), "…"),
    (re.compile(r"(?<=/)[\w:.-]{38,}"), "…"),
    (re.compile(r"(//[^:/@\s]*):[^@/\s]+@"), r"\1:…@"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), r"\1 …"),
    # As they stand in an address, in a connection's settings or in a printed mapping.
    (re.compile(r"""(password|secret|token|api_?key|cvc|cvv)(["']?\s*[=:]\s*)["']?[^\s"'&,;)}]+["']?""", re.IGNORECASE), r"\1\2…"),
)
_SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|api_?key|card_?number|\bpan\b|cvc|cvv", re.IGNORECASE)
_LIKE_A_CARD = re.compile(r"(?<![\w.+-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])")
_NUMBER_MIN = 10**12
"""Numbers from here on may be a card's."""

KNOWN_LATER = ("workspace", "wallet")
"""What the lines of a request or task carry from where it is known on; whoever ends one takes them out again."""


def redacted(text: str) -> str:
    """The text without secrets that can be told by their shape."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _LIKE_A_CARD.sub(lambda found: "…" if _is_card_number(found.group()) else found.group(), text)


def _is_card_number(text: str) -> bool:
    """By the check digit that every card number has (Luhn), and one in ten others."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def redact_event(logger: WrappedLogger, method_name: str, event: EventDict) -> EventDict:
    """A structlog processor: every value, however deep, is redacted by its name or by its shape."""
    return {name: _redacted_value(name, value=value) for name, value in event.items()}


def _redacted_value(name: str, *, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted_value(str(key), value=inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted_value(name, value=inner) for inner in value]
    if _SECRET_NAMES.search(name):
        return "…"
    if name.endswith("_micros"):
        return value
    if isinstance(value, int) and value >= _NUMBER_MIN:
        return "…" if redacted(str(value)) != str(value) else value
    return redacted(value) if isinstance(value, str) else value


def _without_objects(logger: WrappedLogger, method_name: str, event: EventDict) -> EventDict:
    # Django hands the request along with its warnings, whose repr would bring the whole address back; Celery repeats the traceback.
    for name in ("request", "response", "data"):
        event.pop(name, None)
    return event


_BEFORE: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_settings(*, level: str = "INFO") -> dict[str, Any]:
    """For logging.config.dictConfig; also makes structlog write through the same handler."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_BEFORE, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _BEFORE,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _without_objects,
                    redact_event,
                    structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
                ],
            }
        },
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # Each request is logged once, by our middleware.
            "django.server": {"handlers": [], "propagate": False},
            "django.request": {"level": "ERROR"},
            "gunicorn.error": {"handlers": [], "propagate": True, "level": level},
            "gunicorn.access": {"handlers": [], "propagate": False},
            "fontTools": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
        },
    }
