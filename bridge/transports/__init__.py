"""One file per way to make OTLP's unary Export call."""
