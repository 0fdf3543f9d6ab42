"""Which files are taken for sound by their names: one list for every way in.

The command line, folders of recordings, uploads, the web page's drop fields and its player all
ask here, so that what one of them takes no other refuses. Content has the last word: a file of
these endings that holds no sound is refused when it is opened.
"""

from __future__ import annotations

from pathlib import PurePath

PLAYED = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")  # written here, played by browsers
_MORE = (
    "oga spx aac mp4 m4b m4r m4v webm wma asf wmv ac3 eac3 alac amr 3gp 3g2 mov mkv mka",
    "aif aiff aifc caf w64 rf64 bwf wave au snd voc sph nist",
    "mp2 mpa mpga mpg mpeg mts m2ts avi flv wv ape tta tak mpc dsf dff dts",
)
EXTENSIONS = (*PLAYED, *(f".{kind}" for line in _MORE for kind in line.split()))
_KNOWN = frozenset(EXTENSIONS)


def is_sound_name(path: PurePath | str) -> bool:
    """Whether a file is taken for a recording by its ending, upper case or lower."""
    return PurePath(path).suffix.lower() in _KNOWN
