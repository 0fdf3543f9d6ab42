"""Voice cloning: preprocess, extract, train, index, convert."""

__version__ = "0.1.0"
