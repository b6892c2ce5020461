"""Stages of a data set, one module each: parse, generate, augment, import, combine, filter, split, export."""
