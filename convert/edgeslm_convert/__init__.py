"""The room that turns checkpoints into GGUFs; the only one that imports torch."""
