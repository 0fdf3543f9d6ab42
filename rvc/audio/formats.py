"""Which files are taken for sound by their names: one list for every way in.

The command line, folders of recordings, uploads, the web page's drop fields and its player all
ask here, so that what one of them takes no other refuses. Content has the last word: a file of
these endings that holds no sound is refused when it is opened.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

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


_BEGINNINGS = re.compile(  # of files that hold sound, whatever they are called
    rb"RIFF....WAVE|RF64....WAVE|riff\x2e\x91\xcf\x11|FORM....AIF[FC]|caff|\.snd|fLaC|OggS|ID3[\x02-\x04]"
    rb"|\xff[\xfb\xf3\xf2\xfa\xfd][^\xff]|\xff[\xf1\xf9][^\xff]|....ftyp(?:M4[ABV]|mp4|iso|3g|qt)"
    rb"|\x1a\x45\xdf\xa3|wvpk|TTA1|MAC |#!AMR|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\x0b\x77",
    re.DOTALL,
)


def holds_sound(path: Path) -> bool:
    """Whether a file of an unknown ending begins as recordings do; not when it cannot be read."""
    try:
        with path.open("rb") as file:
            return bool(_BEGINNINGS.match(file.read(16)))
    except OSError:
        return False
