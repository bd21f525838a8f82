"""Commands of `tocsin` that come in groups, a module for each noun."""
