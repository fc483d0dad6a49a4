"""The sentence encoder: all-MiniLM-L6-v2 with half its layers and vocabulary, distilled on openly licensed text."""
