# Stands in for the packages feed's pypi.mk: where the source distribution of a project on PyPI is.

PKG_SOURCE:=$(or $(PYPI_SOURCE_NAME),$(PYPI_NAME))-$(PKG_VERSION).tar.gz
PKG_BUILD_DIR:=$(BUILD_DIR)/pypi/$(or $(PYPI_SOURCE_NAME),$(PYPI_NAME))-$(PKG_VERSION)
