"""Ways of doing harm: one fault, one file, one contract (inject, verify, heal)."""
