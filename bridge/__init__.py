"""The sidecar: a metrics file in, OTLP/gRPC out. It imports nothing else of this repository."""

__version__ = "0.1.0"
