# Stands in for LuCI's luci.mk: what an application has in htdocs goes to /www, what it has in root to /.

PKG_NAME?=$(notdir $(CURDIR))
PKG_VERSION?=0

include $(INCLUDE_DIR)/package.mk

define Package/$(PKG_NAME)
  TITLE:=$(LUCI_TITLE)
  PKGARCH:=$(LUCI_PKGARCH)
  DEPENDS:=$(LUCI_DEPENDS)
endef

define Build/Prepare
	$(INSTALL_DIR) $(PKG_BUILD_DIR)
	$(CP) $(wildcard $(CURDIR)/htdocs $(CURDIR)/root) $(PKG_BUILD_DIR)/
endef

define Package/$(PKG_NAME)/install
	$(INSTALL_DIR) $(1)/www
	$(CP) $(PKG_BUILD_DIR)/htdocs/. $(1)/www/
	$(CP) $(PKG_BUILD_DIR)/root/. $(1)/
endef

$(eval $(call BuildPackage,$(PKG_NAME)))
