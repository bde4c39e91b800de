"""What the mapping files here cannot say by declaration; each a `Code` (sources/code.py)."""
