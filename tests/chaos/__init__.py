"""The chaos test: the product's real processes on real servers, which are killed at random while Stripe's sandbox misbehaves.

`make chaos` runs it long, tests/chaos/test_chaos.py shortly; docs/reliability.md says what it proves. It asks the product for
nothing that an operator could not have: its settings differ in how long things wait, and in nothing else.
"""
