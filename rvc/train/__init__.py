"""From features to a trained voice."""
