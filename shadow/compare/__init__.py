"""Comparators, one per component, over one field-by-field comparison."""
