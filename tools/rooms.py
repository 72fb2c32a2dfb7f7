"""The rooms of src/ and what each may include: the table that the checks share (docs/architecture.md)."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Room: the rooms right below it. Arrows go down transitively.
DIRECT = {
    "base": (),
    "tensor": ("base",),
    "formats": ("tensor",),
    "tokenizer": ("formats",),
    "kernels": ("tensor",),
    "model": ("formats", "tensor"),
    "runtime": ("model", "kernels", "tokenizer"),
    "compress": ("runtime",),
    "eval": ("runtime",),
    "device": ("model", "kernels"),
    "serve": ("runtime",),
    "cli": ("compress", "eval", "device", "serve"),
}


def reachable(room):
    """The room itself and all rooms below it."""
    return {room}.union(*(reachable(below) for below in DIRECT[room]))


def sources(root, *folders, suffixes=(".h", ".cpp", ".inc", ".inl")):
    """Source files below root's folders, sorted, test data left out."""
    data = root / "tests" / "data"
    return sorted(path for folder in folders for path in (root / folder).rglob("*")
                  if path.suffix in suffixes and data not in path.parents)


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<tag>\w*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)


def without_comments(text, keep_strings=False):
    """C++ text with comments (and, unless kept, strings) blanked; line numbers stay."""
    def blank(match):
        token = match.group()
        if keep_strings and token[0] != "/":
            return token
        return "\n" * token.count("\n") or " "
    return _TOKEN.sub(blank, text)
