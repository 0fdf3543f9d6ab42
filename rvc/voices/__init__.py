"""Voices as files: kept, brought in, shared, looked into, blended, edited."""
