"""As on every other page: the day in words, the time on 24 hours and to the second. The zone is UTC, and the page says so."""

DATE_FORMAT = "M j, Y"
DATETIME_FORMAT = "M j, Y, H:i:s"
