"""How fast, how cheap, against what else: figures that `scripts/bench` reproduces."""
