"""ONNX operators without weights whose every word is said by a node of ours, so that it can be run.

Each rule looks at one operation and returns the operator and attributes that compute the same, or None: what
no rule covers is read all the same, and marked as a node that cannot be run. `table.py` says which operator
has which rule.
"""
