"""Layers that share weights: which to tie, how to tie them in torch, and the GGUF that stores them once."""
