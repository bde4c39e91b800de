"""The laptop lab: a virtual router, a scriptable ACS, and the demo that brings them together."""
