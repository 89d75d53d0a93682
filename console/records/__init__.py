"""Every table that staff may read, as pages of Django's admin. Nothing is written here."""
