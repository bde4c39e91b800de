"""OpenWrt for Python: ubus and UCI, on a router or on a laptop."""
