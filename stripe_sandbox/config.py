"""What one sandbox was started with. Holds values only; it reads neither the environment nor the command line."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Config:
    """Set once at start, shared by every thread."""

    state_dir: Path
    # The public base of the hosted pages, without a slash at the end; session.url is built from it.
    checkout_url: str
    # Empty: events are stored and listed, and sent to nobody.
    webhook_url: str
    webhook_secret: str
    merchant: str
    # Every wait of Stripe's that a person would notice (retries, disputes, debits) is divided by this.
    speed: float
    # How long a bank debit stays pending before it settles by itself; None leaves that to the control endpoint.
    debit_seconds: float | None
