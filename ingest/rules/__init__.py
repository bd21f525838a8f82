"""Alert rules: the expression language, its checker, and the compiled form."""
