"""Pure functions from a saved record to a verdict."""
