"""The commands of `edgeslm bench`."""
