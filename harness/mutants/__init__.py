"""The bridge with one deliberate defect each; only here may the harness import the bridge."""
