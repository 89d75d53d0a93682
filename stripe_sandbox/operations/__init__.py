"""What each of Stripe's operations does to the sandbox's documents: one module per kind of object. None of them knows HTTP."""
