# Stands in for OpenWrt's package.mk. Targets: `install-NAME` runs a package's recipes and leaves its files below
# ROOT, as they would be on the router; `show-NAME` prints what the package says of itself; `postinst-NAME` writes the
# script that runs when it is installed.

PKG_BUILD_DIR?=$(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR:=$(PKG_BUILD_DIR)/ipkg-install

ifdef PKG_SOURCE
  define Build/Prepare
	echo '$(PKG_HASH)  $(DL_DIR)/$(PKG_SOURCE)' | sha256sum -c --quiet
	$(INSTALL_DIR) $(PKG_BUILD_DIR)
	tar -C $(PKG_BUILD_DIR) --strip-components=1 -xzf $(DL_DIR)/$(PKG_SOURCE)
  endef
endif

$(PKG_BUILD_DIR)/.built:
	$(call Build/Prepare)
	$(call Build/Compile)
	touch $@

# What -src packages inherit has no recipe of its own here: only packages that say what they are are built.
define BuildPackage
  ifdef Package/$(1)
    $(Package/$(1))
    install-$(1): $(PKG_BUILD_DIR)/.built
	$$(INSTALL_DIR) $(ROOT)
	$$(call Package/$(1)/install,$(ROOT))

    show-$(1):
	@printf '%s\n' 'version $(PKG_VERSION)' 'hash $(PKG_HASH)' 'source $(PKG_SOURCE)' 'user $$(USERID)'
	@printf 'depends %s\n' '$$(strip $$(DEPENDS))'
	@printf 'conffile %s\n' $$(strip $$(Package/$(1)/conffiles))

    postinst-$(1):
	$$(file >$(BUILD_DIR)/$(1).postinst,$$(Package/$(1)/postinst))

    .PHONY: install-$(1) show-$(1) postinst-$(1)
  endif
endef
