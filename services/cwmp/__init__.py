"""TR-069 (CWMP) for OpenWrt and prplOS, as small ubus services."""
