"""The voice detection runs a network out of silero-vad's wheel; its Python code needs torch."""

from importlib import metadata

_NAME = "silero_vad/data/silero_vad_16k_op15.onnx"
datas = [(str(metadata.distribution("silero-vad").locate_file(_NAME)), "silero_vad/data")]
