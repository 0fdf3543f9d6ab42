"""Text to speech, in a voice."""
