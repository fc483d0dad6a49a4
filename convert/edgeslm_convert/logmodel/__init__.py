"""The log model: its simulated logs, its questions, its tokenizer and its training. Nothing here is needed to ask a question."""
