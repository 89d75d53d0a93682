"""The hosted pages: what a payer sees. Plain HTML forms that work without JavaScript; they know no API and no control endpoint."""
