"""Parameters of what is done with voices beside training and converting."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rvc.errors import BadInput
from rvc.f0 import Method
from rvc.params.base import (
    Hardware,
    OptionalPath,
    OptionalText,
    Params,
    SampleRate,
    Tracks,
    argument,
    option,
)


class Replacing(Params):
    """Whether a voice that is there already may be lost."""

    overwrite: bool = option(False, "Replace a voice that is there already.", "Advanced")

    def refuse_existing(self, target: Path) -> None:
        """Nothing, where a voice may be written.

        Raises:
            BadInput: there is a file, and nobody said that it may go.
        """
        if target.exists() and not self.overwrite:
            hint = "Give --overwrite to replace it, or choose another name."
            raise BadInput(f"{target} is there already.", hint)


class ModelInformation(Params):
    """Say what a voice or checkpoint file holds, without running anything in it."""

    pth_path: Path = option(help="Voice (.pth, .safetensors) or G_/D_ checkpoint.", reads=True)


class ModelBlender(Replacing):
    """Mix two voices of the same kind into a new one."""

    model_name: str = option(help="Name of the new voice.")
    pth_path_1: Path = option(help="First voice.", reads=True)
    pth_path_2: Path = option(help="Second voice.", reads=True)
    ratio: float = option(0.5, "Part of the first voice; the second has the rest.", ge=0, le=1)


class ModelExtract(Replacing):
    """Make a small voice file from a G_ training checkpoint."""

    pth_path: Path = option(help="The G_ checkpoint.", reads=True)
    model_name: str = option(help="Name of the voice.")
    sample_rate: SampleRate | None = option(
        None, "Rate in Hz; by default what the config.json beside the checkpoint says."
    )
    author: str = option("", "Who made the voice.", "Advanced")
    step: int = option(0, "Training step to record.", "Advanced", ge=0)
    output_path: OptionalPath = option(
        None, "Where to write it; by default into logs.", "Advanced", writes=True
    )


class ModelEdit(Replacing):
    """Change the author or name that a voice file carries."""

    pth_path: Path = option(help="Voice file.", reads=True)
    author: OptionalText = option(None, "New author.")
    model_name: OptionalText = option(None, "New name.")
    output_path: OptionalPath = option(
        None, "Write a copy instead of changing the file.", writes=True
    )

    def implied_outputs(self) -> dict[str, Path]:
        return {"output_path": self.pth_path}


class ModelConvert(Replacing):
    """Turn a voice file into .safetensors (which cannot hold code) or back into .pth."""

    pth_path: Path = option(help="Voice file.", reads=True)
    output_path: OptionalPath = option(
        None,
        "New file; its ending decides. By default beside the old one, of the other kind.",
        writes=True,
    )

    def implied_outputs(self) -> dict[str, Path]:
        other = ".pth" if self.pth_path.suffix == ".safetensors" else ".safetensors"
        return {"output_path": self.pth_path.with_suffix(other)}


class ExportOnnx(Replacing):
    """Export a whole voice to ONNX; kept only if it sounds like the original."""

    pth_path: Path = option(help="Voice file.", reads=True)
    output_path: OptionalPath = option(
        None, "New .onnx file; by default beside the voice.", writes=True
    )
    precision: Literal["fp32", "fp16"] = option("fp32", "Format of the weights.")

    def implied_outputs(self) -> dict[str, Path]:
        return {"output_path": self.pth_path.with_suffix(".onnx")}


class Voices(Params):
    """List the voices in logs: name, rate, embedder, epochs, size, index."""

    trash: bool = option(False, "List the deleted ones, which can be restored.")


class ImportVoice(Params):
    """Bring a voice into logs from a file, zip, folder, other installation or link."""

    source: str = option(
        help="A .pth, .safetensors or .zip, a folder, the folder of an RVC or Applio "
        "installation, or a link (Hugging Face, Google Drive, direct).",
        reads=True,
    )
    model_name: OptionalText = option(None, "Name here; by default the voice's own.")
    index_path: OptionalPath = option(
        None, "The index, where it cannot be told by itself.", reads=True
    )


class ExportVoice(Params):
    """Pack a voice and its index into one zip."""

    model_name: str = option(help="Name of the voice (a folder in logs).")
    pth_path: OptionalPath = option(None, "Which of its files; by default the newest.", reads=True)
    output_path: OptionalPath = option(None, "The zip; by default logs/zips/NAME.zip.", writes=True)


class RenameVoice(Params):
    """Give a voice another name: its folder in logs, and the files called after it."""

    model_name: str = option(help="Name of the voice (a folder in logs).")
    new_name: str = option(help="New name.")


class DeleteVoice(Params):
    """Put a voice's folder into the trash, where it is kept for 30 days."""

    model_name: str = option(help="Name of the voice (a folder in logs).")
    confirm: str = option(help="The same name once more.")


class RestoreVoice(Params):
    """Take a deleted voice out of the trash."""

    model_name: str = option(help="Its name; of several, the one deleted last is taken.")


class EmptyTrash(Params):
    """Delete for good the voices that lie in the trash."""

    days: int = option(0, "Only what was deleted so many days ago.", ge=0, le=3650)


class VoiceSample(Hardware):
    """Let a voice say the sentence that ships, for the list of voices."""

    pth_path: Path = option(help="Voice file.", reads=True)
    index_path: OptionalPath = option(None, "The voice's index (.index).", reads=True)


class Download(Params):
    """Fetch a voice from a link and unpack it into logs."""

    model_link: str = option(help="Hugging Face, Google Drive or direct link.")
    model_name: OptionalText = option(None, "Name here; by default the voice's own.")


class Tensorboard(Params):
    """Watch trainings in TensorBoard until stopped."""

    port: int = option(6006, "Port; the next free one is taken if it is in use.", ge=1, le=65535)
    host: str = option("127.0.0.1", "Address to listen on.", "Advanced")


class F0Curve(Hardware, Tracks):
    """Draw the pitch of a recording and write it as a table."""

    input_path: Path = option(help="Recording.", reads=True)
    f0_method: Method = option("rmvpe", "Pitch extractor.")
    draw: bool = option(True, "Draw the picture; otherwise only the table is written.")
    plot_path: OptionalPath = option(None, "Picture; by default logs/f0_plot.png.", writes=True)
    csv_path: OptionalPath = option(None, "Table; by default logs/f0_curve.csv.", writes=True)


class BaseModels(Params):
    """List the community's base models, or fetch one to train from."""

    name: OptionalText = option(None, "Which to fetch; without it, all are listed.")
    rate: OptionalText = option(
        None, "Which of its rates, such as 40k; needed where it has several."
    )


class Prerequisites(Params):
    """Download what is needed before the first use: base models, pitch and content models."""

    pretraineds_hifigan: bool = option(True, "Base models of HiFi-GAN (32, 40, 48 kHz).")
    pretraineds_refinegan: bool = option(
        False, "Base models of RefineGAN (24, 32 kHz).", "Advanced"
    )
    models: bool = option(True, "Pitch predictors and the contentvec embedder.")
    exe: bool = option(
        True, "Kept for Applio's command lines: no program is ever downloaded.", "Advanced"
    )


class Doctor(Params):
    """Check this installation: device, packages, disk, models, settings; how to mend each."""


class Assets(Params):
    """List, download, verify or adopt the public model files."""

    action: Literal["list", "download", "verify", "adopt"] = argument(
        "list", "list, download, verify, or adopt files of an existing installation."
    )
    what: tuple[str, ...] = argument(
        (),
        "download, verify, list: names of embedders, folders or files, or all. "
        "adopt: folders to look through.",
        reads=True,
    )


class Demo(Params):
    """Convert a recording with the voice that ships with the program; nothing is downloaded."""

    input_path: OptionalPath = option(
        None, "Recording; the one that ships if not given.", reads=True
    )
    output_path: OptionalPath = option(
        None, "Where to write the result; assets/audios/demo_output.wav if not given.", writes=True
    )
    pipeline: bool = option(
        False, "Then also train a tiny voice from a few seconds: every stage once, for show."
    )
