"""Every environment variable the product reads, in one place; docs/configuration.md is this table written out.

Values only: environment.py reads them. The launcher reads this table too, before Django can load, so nothing here may import it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One setting: `default` is None where the operator must decide."""

    name: str
    meaning: str
    example: str
    default: str | None = None


VARIABLES = (
    Variable(
        "SECRET_KEY",
        "Signs sessions and payment links, and seals the secrets of webhooks. At least 50 random characters.",
        "$(openssl rand -base64 48)",
    ),
    Variable("SECRET_KEY_FALLBACKS", "Earlier values of SECRET_KEY, comma-separated, while it is being rotated.", "old-key", ""),
    Variable(
        "SITE_URL",
        "The address people open, without a trailing slash; payment links and e-mails are built from it.",
        "https://billing.example.com",
    ),
    Variable(
        "ALLOWED_HOSTS",
        "Further host names the site answers to, comma-separated. That of SITE_URL is always allowed.",
        "billing.internal",
        "",
    ),
    Variable(
        "DATABASE_URL", "PostgreSQL as the app's role: neither owner of the tables nor superuser.", "postgres://wallet_app:…@db:5432/wallet"
    ),
    Variable(
        "DATABASE_OWNER_URL",
        "PostgreSQL as the role that owns the tables. Only migrations use it; leave it unset elsewhere.",
        "postgres://wallet_owner:…@db:5432/wallet",
        "",
    ),
    Variable(
        "REDIS_URL",
        "Redis or Valkey, for the task queue and rate limits. Losing it delays money and never loses it.",
        "redis://redis:6379/0",
    ),
    Variable("STRIPE_SECRET_KEY", "Stripe's secret or restricted key. sk_live_… and rk_live_… charge real cards.", "rk_live_…"),
    Variable("STRIPE_WEBHOOK_SECRET", "The endpoint's signing secret; two, comma-separated, while it is being rotated.", "whsec_…"),
    Variable("STRIPE_API_BASE", "Another address for Stripe's API: the sandbox's. Refused beside a live key.", "http://127.0.0.1:8010", ""),
    Variable(
        "STRIPE_CHECKOUT_ORIGIN",
        "Where hosted Checkout lives; forms may redirect there and nowhere else.",
        "https://checkout.stripe.com",
        "https://checkout.stripe.com",
    ),
    Variable(
        "AUTOMATIC_CHARGES_PER_HOUR_MAX",
        "The breaker: so many automatic payments in an hour, over all wallets, pause them until an operator resumes them.",
        "2000",
        "500",
    ),
    Variable(
        "SECOND_PERSON_ABOVE",
        "What one person of finance may move in one wallet within 24 hours, in dollars or about as much in another currency; "
        "for more a second one approves. 0: always.",
        "250",
        "100",
    ),
    Variable(
        "STAFF_SECOND_FACTOR",
        "Opens the console only to those of the staff who have a second factor; the others are led to setting one up. A password alone "
        "should refund nobody.",
        "true",
        "true",
    ),
    Variable("EXPORT_KEPT_DAYS", "How many days a file that a worker made can be downloaded: 1 to 365.", "30", "7"),
    Variable(
        "EXPORTS_AT_ONCE",
        "How many such files are written at a time, over all workers. Keep it below the number of worker processes, for payments.",
        "4",
        "1",
    ),
    Variable(
        "WEBHOOKS_ALLOW_PRIVATE_TARGETS",
        "Lets webhooks go to http, to other ports and into your own network. Whoever may add an endpoint can then reach what stands there.",
        "true",
        "false",
    ),
    Variable(
        "TWILIO_AUTH_TOKEN",
        "Checks Twilio's callbacks, which are refused without it; two, comma-separated, while it is being rotated. See connectors.md.",
        "…",
        "",
    ),
    Variable(
        "VAPI_WEBHOOK_SECRET", "The same for Vapi's end-of-call reports: a secret of your own, 32 random characters or more.", "…", ""
    ),
    Variable("RETELL_API_KEY", "The same for Retell's webhooks: the API key with the webhook badge.", "key_…", ""),
    Variable(
        "EMAIL_URL",
        "Where mail goes: smtp+tls://user:password@host:587, filemail:///folder or consolemail://.",
        "smtp+tls://…",
        "consolemail://",
    ),
    Variable("DEFAULT_FROM_EMAIL", "The sender of every mail.", "Billing <billing@example.com>", "Wallet Billing <billing@localhost>"),
    Variable("SUPPORT_EMAIL", "Whom customers write to; shown on the Billing page.", "support@example.com", "support@localhost"),
    Variable("OPERATOR_NAME", "The seller's name on receipts and mails.", "Example Agents, Inc.", "Wallet Billing"),
    Variable("OPERATOR_ADDRESS", "The seller's postal address on receipts, lines separated by |.", "1 Main St|Springfield", ""),
    Variable("TRUSTED_PROXY_COUNT", "How many proxies of yours stand in front; X-Forwarded-For is ignored beyond them.", "1", "0"),
    Variable(
        "METRICS_TOKEN",
        "Opens /metrics to Prometheus, which sends it as a bearer token; without it there is no such address. 32 random characters "
        "or more; two, comma-separated, while it is being rotated.",
        "$(openssl rand -hex 32)",
        "",
    ),
    Variable("DEBUG", "Django's debug pages. Never on a machine that others reach.", "false", "false"),
)
