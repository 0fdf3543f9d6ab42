"""Applying a voice to sound."""
