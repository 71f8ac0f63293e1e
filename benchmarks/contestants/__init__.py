"""Other bridges that honour the contract's five variables, for the same scenarios."""
