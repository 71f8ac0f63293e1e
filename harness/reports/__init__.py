"""From records and verdicts to text."""
