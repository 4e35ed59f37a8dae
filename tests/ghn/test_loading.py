"""What loading a model costs a worker that starts."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from service.ghn.registry import load_model
from service.graph_io.read import read_document
cell = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"
load_model("ghn2-cifar10").predict(read_document({"format": "nasbench201", "cell": cell}))
print(sorted({"torch._dynamo", "torch._inductor", "sympy", "torchvision"} & sys.modules.keys()))
"""


def test_a_model_is_loaded_and_predicts_without_torchs_compiler() -> None:
    """It takes as long to import as torch itself, and 100 MB."""
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
