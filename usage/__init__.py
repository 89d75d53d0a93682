"""What was used and what it costs: meters, rates, rating, ingestion and the gate."""
