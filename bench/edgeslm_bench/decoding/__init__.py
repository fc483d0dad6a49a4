"""How fast GGUFs are decoded, against llama-bench, up to an exit layer, and in the modes that change no text."""
