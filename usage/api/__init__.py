"""The platform's API for uses: report them, ask before they start, set their money aside, cap what they may spend.

Parses and answers, nothing else. Importing it adds every operation to `router`.
"""

from usage.api import budgets, events, gate, holds
from usage.api.common import router

__all__ = ["budgets", "events", "gate", "holds", "router"]
