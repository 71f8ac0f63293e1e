"""Runs any metrics bridge beside a job, breaks things around it, and gives each promise a verdict."""
