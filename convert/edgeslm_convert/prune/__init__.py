"""Structured pruning: what is removed is gone from the tensors, so that file, memory and time shrink with it."""
