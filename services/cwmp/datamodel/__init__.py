"""The datamodel service: the router as a TR-181 tree, declared in mapping files (docs/mapping.md)."""
