"""Networks that take a voice out of sound, and what they made of it."""
