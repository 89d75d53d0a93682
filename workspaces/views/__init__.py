"""Thin: parse, one service call, answer."""
