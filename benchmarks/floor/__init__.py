"""The floor that figures are ratios to. Nothing but the libraries is imported here, not even our own tables."""
