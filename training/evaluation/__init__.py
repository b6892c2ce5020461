"""What a trained model is measured by: a figure or a piece of the measuring a module; training/evaluate.py puts them together."""
