"""Tells the operator that a person must look: one log line at level error, with a stable code and the ids it concerns."""

import structlog

logger = structlog.get_logger("wallet.alerts")


def alert(code: str, **facts: object) -> None:
    """Facts are ids and amounts, never secrets or card data. None may be called `event`: that is the code's own name in the log."""
    logger.error(code, **{name: str(fact) for name, fact in facts.items()})
