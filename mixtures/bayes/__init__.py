"""Variational inference and NUTS on the NumPyro form of a mixture."""
