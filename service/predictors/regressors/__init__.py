"""From rows of numbers to a property."""
