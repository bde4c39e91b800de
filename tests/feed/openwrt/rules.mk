# Stands in for OpenWrt's rules.mk: the names that our recipes use, for the machine the test runs on.
# Given on the command line: BUILD_DIR, ROOT, HOST_PYTHON3_BIN, PYTHON3_VERSION, PYTHON3_INC_DIR, DL_DIR, STAGING_DIR.

SHELL:=/bin/sh
INCLUDE_DIR:=$(TOPDIR)/include

INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644
INSTALL_CONF:=install -m0600
CP:=cp -fpR
FIND:=find

TARGET_CC:=cc
TARGET_CFLAGS:=-Os
TARGET_CPPFLAGS:=-I$(STAGING_DIR)/usr/include
TARGET_LDFLAGS:=-L$(STAGING_DIR)/usr/lib
FPIC:=-fPIC
