"""The voices on this machine: the library, under the name front ends know it by."""

from rvc.voices.library import EPOCH, Voice, facts, match, voices

__all__ = ["EPOCH", "Voice", "facts", "match", "voices"]
