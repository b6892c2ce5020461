"""Keeps 4-bit weights as they were saved, for serving and training alike.

keep_weights_exact(model)      # right after loading
"""

from typing import Any


def keep_weights_exact(model: Any) -> None:
    """Keep bitsandbytes on a CPU from repacking 4-bit weights for AVX512: it rounds their scales to bfloat16.

    It happens at the first evaluation, and again at every save, so that a run that evaluates would train on another base than
    the one that it resumes from (bitsandbytes 0.50, `Linear4bit.forward`).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
