"""The text of UCI files, read as libuci's hand-written scanner reads it (file.c), its oddities included.

A file is a sequence of commands, one a line: ``package NAME``, ``config TYPE [NAME]``, ``option NAME VALUE``,
``list NAME VALUE``; each may be shortened to its first letter. Words are quoted as in a shell: '...' as it
stands, "..." with backslashes, a backslash elsewhere; quoted parts join what they touch and may run over several
lines, and a backslash at the end of a line joins the next one to it. ``#`` starts a comment even within an unquoted
word. ``;`` separates commands, but only after a blank or a quote: right after an unquoted word libuci overwrites
it with the end of the word, and the rest of the line is lost.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_SPACE = re.compile(r"[ \t\n\v\f\r]*")
_BLANK = re.compile(r"[ \t\v\f\r]*")
_TABS = re.compile(r"[ \t]*")
_PLAIN = re.compile(r"""[^ \t\n\v\f\r'"\\;#]+""")
_DOUBLE_QUOTED = re.compile(r'[^"\\]*')
_COMMAND = re.compile(r"[^ \t\n]*\n?")
_END_OF_LINE = re.compile(r"\\(?:\n|\r\n)")

# The whole of an ordinary line, which is what nearly all are; anything else goes through the scanner.
_WORD = r"""(?:'([^'\n]*)'|"([^"\\\n]*)"|([^ \t\n\v\f\r'"\\;#]+))"""
_ORDINARY = re.compile(
    rf"[ \t]*(?:\#[^\n]*|(?:(config|option|list)[ \t]+{_WORD}(?:[ \t]+{_WORD})?)?[ \t\r]*(?:[ \t]\#[^\n]*)?)\n"
)

_COMMANDS = {
    **{word: word for word in ("package", "config", "option", "list")},
    **{word[0]: word for word in ("package", "config", "option", "list")},
}


class SyntaxFault(Exception):
    """A mistake in the text; ``offset`` is where the command started that holds it."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset = offset
        self.reason = reason


class Statement(NamedTuple):
    """One command with its two arguments, the second empty where there is none."""

    offset: int
    command: str
    first: str
    second: str


class Scanner:
    """Words of a text. ``ended`` is set once the current line, with what is joined to it, is used up."""

    def __init__(self, text: str, offset: int = 0) -> None:
        self.text = text
        self.offset = offset
        self.ended = False
        self.start = offset

    def begin_line(self) -> bool:
        """Go on with the line at the current offset; False at the end of the text."""
        self.ended = False
        self.start = self.offset
        return self.offset < len(self.text)

    def skip_line(self) -> None:
        """Give up what is left of the current line."""
        if not self.ended:
            end = self.text.find("\n", self.offset)
            self.offset = len(self.text) if end < 0 else end + 1
            self.ended = True

    @property
    def exhausted(self) -> bool:
        """Whether nothing at all follows in the current line."""
        return self.ended or self.offset >= len(self.text)

    def command(self) -> str:
        """The word that says what to do; with the newline that ends it, as libuci sees it."""
        self._take(_TABS)
        word = self._take(_COMMAND)
        self.ended = word.endswith("\n")
        return word

    def argument(self) -> str:
        """The next word; empty at the end of the line, for '' and in place of a separating semicolon."""
        if self.ended:
            return ""
        self._take(_BLANK)
        character = self._peek()
        if character in ("", "\n"):
            self.skip_line()
            return ""
        if character == ";":
            self.offset += 1
            return ""
        return self._word()

    def skip_space(self) -> str:
        """Skip blanks and newlines, and return them."""
        return self._take(_SPACE)

    def _peek(self) -> str:
        return self.text[self.offset : self.offset + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.offset)
        if found is None:
            return ""
        self.offset = found.end()
        return found[0]

    def _word(self) -> str:
        parts: list[str] = []
        plain = True
        while True:
            character = self._peek()
            if character == "'":
                parts.append(self._single_quoted())
                plain = False
            elif character == '"':
                parts.append(self._double_quoted())
                plain = False
            elif character == "\\":
                parts.append(self._escaped())
                plain = False
            elif character in ("#", ""):
                self.skip_line()
                break
            elif character == ";":
                if plain:
                    self.skip_line()
                break
            else:
                parts.append(self._take(_PLAIN))
            following = self._peek()
            if following and following in " \t\n\v\f\r":
                self.offset += 1
                self.ended = following == "\n"
                break
        return "".join(parts)

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.offset + 1)
        if end < 0:
            self._unterminated("'")
        part = self.text[self.offset + 1 : end]
        self.offset = end + 1
        return part

    def _double_quoted(self) -> str:
        parts: list[str] = []
        self.offset += 1
        while True:
            parts.append(self._take(_DOUBLE_QUOTED))
            if self._peek() == '"':
                self.offset += 1
                return "".join(parts)
            if self._peek() == "":
                self._unterminated('"')
            parts.append(self._escaped())

    def _escaped(self) -> str:
        """What a backslash stands for: the character after it, or nothing where it joins two lines."""
        joint = _END_OF_LINE.match(self.text, self.offset)
        part = "" if joint else self.text[self.offset + 1 : self.offset + 2]
        self.offset = joint.end() if joint else min(self.offset + 2, len(self.text))
        return part

    def _unterminated(self, quote: str) -> None:
        self.offset = len(self.text)
        raise SyntaxFault(self.start, f"EOF with unterminated {quote}")


def statements(text: str) -> Iterator[Statement]:
    """The commands of a file, in order. Raises SyntaxFault."""
    offset = 0
    zero = text.find("\0")
    if zero >= 0:
        raise SyntaxFault(zero, "zero byte: this is no configuration file")
    while offset < len(text):
        line = _ORDINARY.match(text, offset)
        if line is None:
            scanner = Scanner(text, offset)
            yield from _scan(scanner)
            offset = scanner.offset
            continue
        command, a, b, c, d, e, f = line.groups()
        if command:
            first = a or b or c
            if not first:
                raise SyntaxFault(offset, f"{command} without a name or type")
            yield Statement(offset, command, first, d or e or f or "")
        offset = line.end()


def _scan(scanner: Scanner) -> Iterator[Statement]:
    """The commands of one line."""
    scanner.begin_line()
    if "\n" in scanner.skip_space():
        return
    while not scanner.exhausted:
        start = scanner.offset
        word = scanner.command()
        if not word:
            return
        if word.startswith("#"):
            scanner.skip_line()
            return
        command = _COMMANDS.get(word)
        if command is None:
            raise SyntaxFault(start, "invalid command")
        first = scanner.argument()
        if not first:
            raise SyntaxFault(start, f"{command} without a name or type")
        second = "" if command == "package" else scanner.argument()
        if scanner.argument():
            raise SyntaxFault(start, "too many arguments")
        yield Statement(start, command, first, second)
