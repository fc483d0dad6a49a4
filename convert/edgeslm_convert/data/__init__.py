"""Texts to measure with and to learn from: data sets, logs and plain files as one kind of record, and token batches.

Torch is imported by `batches` alone; `datasets`, which streams from the hub, only when a hub id is asked for.
"""
