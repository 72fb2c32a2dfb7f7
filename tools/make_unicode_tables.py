#!/usr/bin/env python3
"""Write src/tokenizer/unicode_tables.inc: character classes as the tokenizers library sees them.

usage: make_unicode_tables.py OUTPUT
needs: tokenizers

kNumber, kPunctuation, kMark, kNonspacing, kControl: ranges {first, last}. kLower: {first, last, stride, delta}, the lower
case of every stride-th character from first to last. kInert: characters newer than the library's normalization tables,
which therefore neither decompose, reorder nor compose.
"""
import sys
import unicodedata
from tokenizers import Regex, normalizers as N, pre_tokenizers as P

CHARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(wanted):
    rows = []
    for c in sorted(wanted):
        if rows and rows[-1][1] == c - 1: rows[-1][1] = c
        else: rows.append([c, c])
    return rows


def split_off(pre):
    """Characters that the pre-tokenizer sets apart from a letter before and behind."""
    return {c for c in CHARS if len(pre.pre_tokenize_str('a' + chr(c) + 'a')) == 3}


def dropped(normalizer):
    return {c for c in CHARS if normalizer.normalize_str(chr(c)) == ''}


bert = lambda **k: N.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **k})
tables = {'kNumber': split_off(P.Digits(True)), 'kPunctuation': split_off(P.Punctuation()), 'kMark': dropped(N.StripAccents()),
          'kNonspacing': dropped(bert(strip_accents=True)), 'kControl': dropped(bert(clean_text=True)) - {0, 0xFFFD}}
lower = []
lc = N.Lowercase()
for c in CHARS:
    low = lc.normalize_str(chr(c))
    if low == chr(c) or len(low) != 1: continue
    d = ord(low) - c
    r = lower[-1] if lower else None
    if r and r[3] == d and (c - r[1] == r[2] or (r[0] == r[1] and c - r[1] in (1, 2))):
        r[2], r[1] = c - r[1], c
    else: lower.append([c, c, 1, d])
nfd, nfkd = N.NFD(), N.NFKD()
text = ''.join(map(chr, CHARS))
known = set(CHARS) - {ord(c) for c in N.Replace(Regex(r'\P{Cn}'), '').normalize_str(text)}


def inert(c):
    ch = chr(c)
    return nfkd.normalize_str(ch) == ch and nfd.normalize_str('a\u0345' + ch) == 'a\u0345' + ch and nfd.normalize_str('a' + ch + '\u0323') == 'a' + ch + '\u0323'


does = lambda c: unicodedata.normalize('NFKD', chr(c)) != chr(c) or unicodedata.combining(chr(c)) or unicodedata.category(chr(c)) == 'Cn'
tables['kInert'] = {c for c in known if does(c) and inert(c)}
with open(sys.argv[1], 'w') as out:
    out.write('// Written by tools/make_unicode_tables.py.\n// clang-format off\n')
    def table(kind, name, rows):
        out.write(f'constexpr {kind} {name}[] = {{\n')
        line = '   '
        for r in rows:
            item = ' {' + ', '.join(hex(x) if i < 2 else str(x) for i, x in enumerate(r)) + '},'
            if len(line) + len(item) > 100:
                out.write(line + '\n')
                line = '   '
            line += item
        out.write(line + '\n};\n')
        print(name, len(rows), sum(r[1] - r[0] + 1 for r in rows), file=sys.stderr)
    for name, wanted in tables.items(): table('CharRange', name, ranges(wanted))
    table('LowerRange', 'kLower', lower)
    out.write('// clang-format on\n')
