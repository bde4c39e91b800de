# Stands in for the packages feed's python3-package.mk: files chosen by a filespec, then bytecode only.

PYTHON3_PKG_DIR:=/usr/lib/python$(PYTHON3_VERSION)/site-packages
PYTHON3_PKG_BUILD?=1
python3_mk_path:=$(dir $(lastword $(MAKEFILE_LIST)))

ifeq ($(PYTHON3_PKG_BUILD),1)
  define Build/Compile
	$(HOST_PYTHON3_BIN) -m pip install --quiet --no-deps --no-build-isolation --no-compile --no-index \
		--disable-pip-version-check --root-user-action=ignore \
		--target $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR) $(PKG_BUILD_DIR)
  endef
endif

define Py3Package
  define Package/$(1)/install
	$(file >$(BUILD_DIR)/$(1).filespec,$(Py3Package/$(1)/filespec))
	$$(call Py3Package/$(1)/install,$$(1))
	$(HOST_PYTHON3_BIN) $(python3_mk_path)filespec.py $(PKG_INSTALL_DIR) $$(1) <$(BUILD_DIR)/$(1).filespec
	PYTHONOPTIMIZE= $(HOST_PYTHON3_BIN) -m compileall -q -b -s $$(1) -p / -o $(or $(OPTIMIZE),0) $$(1)
	$(FIND) $$(1) -name '*.py' -type f -delete
	$(FIND) $$(1) -mindepth 1 -type d -empty -delete
  endef
endef
