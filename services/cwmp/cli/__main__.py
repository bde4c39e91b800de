"""``python -m cwmp.cli``."""

from cwmp.cli import main

main()
