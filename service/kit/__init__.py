"""Small helpers that know nothing of what they are used for. Imports nothing but the standard library."""
