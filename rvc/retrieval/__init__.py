"""The index of a voice: features of its training data, and the nearest of them."""
