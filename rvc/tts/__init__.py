"""Text to speech, in a voice: the engines by name."""

from rvc.plugins import Registry

ENGINES = Registry(  # name -> speak(text, voice, percent, report) -> (wave, rate in Hz)
    "tts",
    {
        "edge": "rvc.tts.edge:speak",
        "piper": "rvc.tts.piper:speak",
        "espeak": "rvc.tts.espeak:speak",
    },
    str,
)
