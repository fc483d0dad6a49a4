"""Recovery: what brings a model's quality back after weights were taken out, and how to train at all.

`loop` is the one training loop of the convert room; `distill` and `distill_encoder` learn from the unpruned teacher,
`finetune` learns from data with LoRA.
"""
