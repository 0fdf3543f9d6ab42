"""From recordings to a trained voice."""
