"""How many sidecars a Collector carries: Locust drives real ones, each sidecar with the bridge's own delivery."""
