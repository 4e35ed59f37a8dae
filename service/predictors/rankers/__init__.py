"""Architectures in the order of a property: fitted, shipped with the package, or learned from somebody."""
