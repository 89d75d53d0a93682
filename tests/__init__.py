"""Flows across apps, races, architecture, and what all tests stand on: real PostgreSQL as the app's role, real Valkey."""
