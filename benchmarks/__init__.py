"""Figures, always side by side: the bridge, what people would use instead, and the bare loop as the floor."""
