"""A trained model in Python, by the names that users of other systems know.

    from training.load_trained_model import load_trained_model, test_model

    model, tokenizer = load_trained_model("microsoft/phi-2", "models/medimind/20261121_101500/final")
    test_model(model, tokenizer, "Human: What is a headache?\\nAssistant:")

As a module it is `savia try`: `python -m training.load_trained_model --model-path DIR --test-prompt "..."`.
"""

from retrieval.console import run_command
from training.try_model import command, load_trained_model, test_model

__all__ = ["load_trained_model", "test_model"]

if __name__ == "__main__":
    run_command(command)
