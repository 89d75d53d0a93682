"""The pages: Settings → Billing and the public payment pages. Composes wallet and usage."""
