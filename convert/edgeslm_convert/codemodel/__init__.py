"""The code model: a small GPTBigCode trained on the Python standard library, to judge on what pruning costs."""
