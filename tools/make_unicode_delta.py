#!/usr/bin/env python3
"""Write src/tokenizer/unicode_delta.inc: characters that PCRE2's Unicode tables do not know yet.

usage: make_unicode_delta.py OUTPUT
needs: tokenizers; a Python whose unicodedata has the Unicode version of the oldest PCRE2 we support (14.0: Python 3.11)

A row {first, last, stand-in}: in the eyes of a pattern, each character of the range is like the stand-in, which has as
many bytes in UTF-8, the same general category, and is alike in being a word character and in being Han. The categories
are those that the tokenizers library (its Oniguruma) uses.
"""
import sys
import unicodedata
from tokenizers import Regex, normalizers

assert unicodedata.unidata_version.startswith('14.'), unicodedata.unidata_version
CHARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = ''.join(map(chr, CHARS))


def members(pattern):
    left = set(normalizers.Replace(Regex(pattern), '').normalize_str(TEXT))
    return {c for c in CHARS if chr(c) not in left}


GC = 'Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co'.split()
category = {c: 'Cn' for c in CHARS}
for name in GC:
    for c in members(r'\p{%s}' % name):
        category[c] = name
word, han, space = members(r'\w'), members(r'\p{Han}'), members(r'\s')
size = lambda c: 1 + (c > 0x7F) + (c > 0x7FF) + (c > 0xFFFF)
kind = lambda c: (category[c], size(c), c in word, c in han)
stand_in = {}
for c in reversed(CHARS):
    if category[c] == unicodedata.category(chr(c)) and c != 0x180E:
        stand_in[kind(c)] = c
rows, missing = [], []
for c in CHARS:
    # U+180E: PCRE2 counts it as white space, which it has not been since Unicode 6.3.
    if category[c] == unicodedata.category(chr(c)) and c != 0x180E:
        continue
    other = 0x2060 if c == 0x180E else stand_in.get(kind(c))
    if other is None:
        missing.append(c)
    elif rows and rows[-1][1] == c - 1 and rows[-1][2] == other:
        rows[-1][1] = c
    else:
        rows.append([c, c, other])
print(len(rows), 'rows; without a stand-in:', [hex(c) for c in missing], file=sys.stderr)
with open(sys.argv[1], 'w') as out:
    out.write('// Written by tools/make_unicode_delta.py.\n')
    for first, last, other in rows:
        out.write('{0x%X, 0x%X, 0x%X},\n' % (first, last, other))
