"""The bench room: what is measured and how. It uses public names of `edgeslm` and `edgeslm_convert` only."""
