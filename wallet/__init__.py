"""Money: ledger, holds, top-ups, cards, payment links and Stripe. Knows nothing of what was used."""
