"""Model files: the catalogue, the download room, the library of voices."""
