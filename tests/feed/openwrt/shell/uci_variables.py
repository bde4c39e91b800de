"""A UCI package as shell variables, as config_load makes them: CONFIG_SECTIONS, CONFIG_<section>_<option>."""

import shlex
import sys
from pathlib import Path

from ubuskit.uci import Uci, UciError

directory, name = sys.argv[1:]
try:
    sections = Uci(Path(directory), Path(directory) / "none").load(name).sections
except UciError:
    sections = {}
print("CONFIG_SECTIONS=" + shlex.quote(" ".join(sections)))
for section in sections.values():
    print(f"CONFIG_{section.name}_TYPE=" + shlex.quote(section.type))
    for option, value in section.options.items():
        text = value if isinstance(value, str) else " ".join(value)
        print(f"CONFIG_{section.name}_{option}=" + shlex.quote(text))
