"""The log model: its simulated logs, questions, tokenizer and training. Nothing here is needed to ask a question."""
