"""edgeslm: ask a machine log a question in plain words, offline, on a small device.

The device package. It imports neither torch nor transformers, and nothing of the `convert` and `bench` rooms.
"""

__version__ = "0.1.0"
