"""Parameters of conversion: of recordings, of folders, of spoken text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rvc import plugins
from rvc.embedders import EmbedderOrAuto
from rvc.f0 import Method
from rvc.params.base import (
    Gating,
    Hardware,
    OptionalPath,
    OptionalText,
    Params,
    Paths,
    Tracks,
    option,
)

BITRATE_HELP = (
    "Bit rate of MP3, OGG, OPUS and M4A in kbit/s, as near as the format comes; 160 for one "
    "channel and 224 for two if not given."
)
ENGINES = ("edge", "piper", "espeak")
if TYPE_CHECKING:
    Engine = str
else:  # packages add names that no type checker knows
    Engine = Literal[("auto", *ENGINES, *(p.name for p in plugins.installed("tts")))]


class Applied(Hardware):
    """How a voice is applied to sound, wherever that comes from and goes to."""

    pitch: float = option(0, "Pitch shift in semitones.", ge=-24, le=24)
    index_rate: float | None = option(
        None,
        "How much of the voice's index is mixed in; if not given, what was measured to suit it, "
        "else 0.3.",
        ge=0,
        le=1,
    )
    volume_envelope: float = option(
        1.0, "1 keeps the loudness of the result, 0 forces that of the input.", ge=0, le=1
    )
    protect: float = option(
        0.33, "Protects breaths and unvoiced consonants; 0.5 is off.", ge=0, le=0.5
    )
    f0_method: Method = option("rmvpe", "Pitch extractor.")
    f0_autotune: bool = option(False, "Snap the pitch to the nearest note.", "Advanced")
    f0_autotune_strength: float = option(1.0, "How far to snap.", "Advanced", ge=0, le=1)
    proposed_pitch: bool = option(False, "Transpose towards a target pitch.", "Advanced")
    proposed_pitch_threshold: float = option(
        155.0,
        "Target median in Hz; about 155 for male and 255 for female voices.",
        "Advanced",
        ge=50,
        le=1200,
    )
    proposed_pitch_auto: bool = option(
        False, "Take the voice's own median as the target instead of the threshold.", "Advanced"
    )
    clean_audio: bool = option(False, "Reduce noise in the result.", "Advanced")
    clean_strength: float = option(0.7, "How much noise reduction.", "Advanced", ge=0, le=1)
    embedder_model: EmbedderOrAuto = option(
        "auto", "Content embedder; auto takes the one the voice was trained with.", "Advanced"
    )
    embedder_model_custom: OptionalText = option(
        None, "Folder of a custom embedder.", "Advanced", reads=True
    )
    sid: str = option("0", "Speaker of the voice: number or name.", "Advanced")
    seed: int | None = option(None, "Repeats a conversion byte for byte.", "Advanced", ge=0)


class Convert(Applied, Gating):
    """How a voice is applied to recordings, and what is written."""

    split_audio: bool = option(
        False, "Convert each stretch between silences on its own.", "Advanced"
    )
    export_format: Literal["WAV", "MP3", "FLAC", "OGG", "M4A", "OPUS"] = option(
        "WAV", "Format of the result.", "Output"
    )
    export_rate: Literal["voice", "input", "8000", "16000", "22050", "32000", "44100", "48000"] = (
        option("voice", "Sample rate of the result in Hz.", "Output")
    )
    bit_depth: Literal[16, 24, 32] = option(
        16, "Bits per sample in WAV and FLAC; 32 is float (WAV only).", "Output"
    )
    bitrate: int | None = option(None, BITRATE_HELP, "Output", ge=8, le=510)
    stereo: Literal["mono", "mid", "each"] = option(
        "mono",
        "Several channels: average them, convert the middle and keep the sides, or convert each.",
        "Output",
    )
    match_loudness: bool = option(
        False, "Bring the result to the loudness of the recording (LUFS).", "Output"
    )


class Effects(Params):
    """Formant shift and the ten effects, applied in this order."""

    formant_shifting: bool = option(False, "Shift formants before converting.", "Formant")
    formant_qfrency: float = option(1.0, "Quefrency of the formant shift.", "Formant", ge=0, le=32)
    formant_timbre: float = option(1.0, "Timbre of the formant shift.", "Formant", ge=0.1, le=16)
    post_process: bool = option(False, "Apply the effects switched on below.", "Effects")
    reverb: bool = option(False, "Reverb.", "Effects")
    reverb_room_size: float = option(0.5, "Reverb: room size.", "Effects", ge=0, le=1)
    reverb_damping: float = option(0.5, "Reverb: damping.", "Effects", ge=0, le=1)
    reverb_wet_gain: float = option(0.5, "Reverb: wet level.", "Effects", ge=0, le=1)
    reverb_dry_gain: float = option(0.5, "Reverb: dry level.", "Effects", ge=0, le=1)
    reverb_width: float = option(0.5, "Reverb: width.", "Effects", ge=0, le=1)
    reverb_freeze_mode: float = option(
        0.0, "Reverb: frozen from 0.5 on, when no new sound enters.", "Effects", ge=0, le=1
    )
    pitch_shift: bool = option(False, "Pitch shift of the result.", "Effects")
    pitch_shift_semitones: float = option(0.0, "Pitch shift: semitones.", "Effects", ge=-24, le=24)
    limiter: bool = option(False, "Limiter.", "Effects")
    limiter_threshold: float = option(-6.0, "Limiter: threshold in dB.", "Effects", ge=-60, le=0)
    limiter_release_time: float = option(
        0.01, "Limiter: release in ms.", "Effects", ge=0.01, le=1000
    )
    gain: bool = option(False, "Gain.", "Effects")
    gain_db: float = option(0.0, "Gain: dB.", "Effects", ge=-60, le=60)
    distortion: bool = option(False, "Distortion.", "Effects")
    distortion_gain: float = option(25.0, "Distortion: drive in dB.", "Effects", ge=-60, le=60)
    chorus: bool = option(False, "Chorus.", "Effects")
    chorus_rate: float = option(1.0, "Chorus: rate in Hz.", "Effects", ge=0, le=100)
    chorus_depth: float = option(0.25, "Chorus: depth.", "Effects", ge=0, le=1)
    chorus_center_delay: float = option(7.0, "Chorus: centre delay in ms.", "Effects", ge=1, le=100)
    chorus_feedback: float = option(0.0, "Chorus: feedback.", "Effects", ge=0, le=1)
    chorus_mix: float = option(0.5, "Chorus: mix.", "Effects", ge=0, le=1)
    bitcrush: bool = option(False, "Bitcrush.", "Effects")
    bitcrush_bit_depth: int = option(8, "Bitcrush: bits.", "Effects", ge=1, le=32)
    clipping: bool = option(False, "Clipping.", "Effects")
    clipping_threshold: float = option(-6.0, "Clipping: threshold in dB.", "Effects", ge=-60, le=0)
    compressor: bool = option(False, "Compressor.", "Effects")
    compressor_threshold: float = option(
        0.0, "Compressor: threshold in dB.", "Effects", ge=-60, le=0
    )
    compressor_ratio: float = option(1.0, "Compressor: ratio.", "Effects", ge=1, le=20)
    compressor_attack: float = option(1.0, "Compressor: attack in ms.", "Effects", ge=0, le=100)
    compressor_release: float = option(
        100.0, "Compressor: release in ms.", "Effects", ge=0.01, le=1000
    )
    delay: bool = option(False, "Delay.", "Effects")
    delay_seconds: float = option(0.5, "Delay: seconds.", "Effects", ge=0, le=5)
    delay_feedback: float = option(0.0, "Delay: feedback.", "Effects", ge=0, le=1)
    delay_mix: float = option(0.5, "Delay: mix.", "Effects", ge=0, le=1)
    plugin_effects: OptionalText = option(
        None, "Effects of plugins, such as name; name:key=0.5,key=2.", "Effects"
    )


class Conversion(Convert, Effects):
    """How sound is converted and finished, wherever it comes from."""


class Infer(Conversion, Tracks):
    """Convert one recording."""

    input_path: Path = option(help="Recording to convert; - reads standard input.", reads=True)
    output_path: Path = option(help="Where to write the result; - is standard output.", writes=True)
    pth_path: Path = option(help="Voice file (.pth).", reads=True)
    index_path: OptionalPath = option(None, "The voice's index (.index).", reads=True)
    f0_file: OptionalPath = option(
        None,
        "Pitch to use instead of estimating it: CSV with time in s, Hz.",
        "Advanced",
        reads=True,
    )
    f0_export: OptionalPath = option(
        None, "Write the recording's estimated pitch to this CSV file.", "Advanced", writes=True
    )
    preview_s: float | None = option(
        None,
        "Convert only the loudest so many seconds; the result is called `NAME (preview)`.",
        "Output",
        ge=1,
        le=600,
    )


class BatchInfer(Conversion, Tracks):
    """Convert every recording in a folder, with one voice or with several."""

    input_folder: Path = option(help="Folder with recordings.", reads=True)
    output_folder: Path = option(help="Folder for the results.", writes=True)
    pth_path: Paths = option(
        help="Voice file (.pth); may be given several times.", min_length=1, reads=True
    )
    index_path: Paths = option(
        (), "The voice's index (.index); one per voice, in the same order.", reads=True
    )
    recursive: bool = option(False, "Sub-folders too, kept in the results.")
    pattern: str = option("*", "Only recordings whose name fits, such as *.flac.")
    overwrite: bool = option(False, "Convert again what is already there.")


class Tts(Conversion):
    """Speak a text and convert the speech."""

    tts_text: OptionalText = option(None, "Text to speak.")
    tts_file: OptionalPath = option(None, "Text file to speak instead.", reads=True)
    tts_voice: str = option(
        "en",
        "Voice: of edge such as en-GB-SoniaNeural, of piper such as en_GB-alan-medium or a path, "
        "of espeak such as en or de+f3.",
        reads=True,
    )
    tts_engine: Engine = option(
        "auto",
        "auto tells by the voice; edge sends the text to Microsoft, the others work on this "
        "machine.",
    )
    tts_rate: int = option(0, "Faster or slower, in percent.", ge=-100, le=100)
    output_tts_path: OptionalPath = option(
        None, "Where to write the speech; by default assets/audios/tts.wav.", "Output", writes=True
    )
    output_rvc_path: OptionalPath = option(
        None,
        "Where to write the result; by default assets/audios/tts_output.wav.",
        "Output",
        writes=True,
    )
    pth_path: Path = option(help="Voice file (.pth).", reads=True)
    index_path: OptionalPath = option(None, "The voice's index (.index).", reads=True)
