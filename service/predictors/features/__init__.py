"""Architectures as rows of numbers."""
