#!/usr/bin/env python3
"""Write small BPE tokenizers with the pre-tokenizers of published families, and what the reference gives for them.

usage: make_tokenizer_data.py OUTDIR TEXTFILE [RANDOM_CASES] [NAME...]
needs: tokenizers

OUTDIR/NAME/ gets tokenizer.json and cases.jsonl, one JSON object a line: {"text", "ids" (no special tokens added),
"ids_special" (as the post-processor adds them), "decoded" (special tokens kept)}. RANDOM_CASES (default 40) strings of
random Unicode join the fixed ones.
"""
import json
import os
import random
import sys
import unicodedata
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

out, textfile = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 40
only = sys.argv[4:]
P, N, D = pre_tokenizers, normalizers, decoders

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+"
OTHERS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
cased = lambda end: rf"[^\r\n\p{{L}}\p{{N}}]?{UP}*{LOW}+{end}|[^\r\n\p{{L}}\p{{N}}]?{UP}+{LOW}*{end}"
SLASHES = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL
NOHAN = lambda s: '[' + s[1:-1] + r'&&[^\p{Han}]]'
KIMI = (r"[\p{Han}]+|" + cased(CONTRACTIONS + '?').replace(UP, NOHAN(UP)).replace(LOW, NOHAN(LOW)) + r"|\p{N}{1,3}" + OTHERS)
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
             r"| ?[\p{P}\p{S}]+[\r\n]*" + TAIL)
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"


def iso(*patterns):
    return [P.Split(Regex(p), 'isolated') for p in patterns]


def seq(*steps, regex=False, prefix=False):
    return P.Sequence([*steps, P.ByteLevel(add_prefix_space=prefix, use_regex=regex)])


def special(*texts):
    return [AddedToken(t, special=True, normalized=False) for t in texts]


MARK = '\u2581'
LLAMA_DECODER = D.Sequence([D.Replace(MARK, ' '), D.ByteFallback(), D.Fuse(), D.Strip(' ', 1, 0)])
META = P.Metaspace(prepend_scheme='always')
# name: options. `pre`, `norm`, `dec`, `model`: as the file has them; `train`: (normalizer, pre-tokenizer) to train with.
FAMILIES = {
    'llama3': dict(pre=seq(*iso(WORDS + r"|\p{N}{1,3}" + OTHERS)), model=dict(ignore_merges=True), bos='<|begin_of_text|>',
                   added=special('<|begin_of_text|>', '<|eot_id|>')),
    'qwen2': dict(norm=N.NFC(), pre=seq(*iso(WORDS + r"|\p{N}" + OTHERS)), added=special('<|im_start|>', '<|im_end|>')),
    'qwen35': dict(norm=N.NFC(), pre=seq(*iso(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + TAIL))),
    'deepseek-v3': dict(pre=seq(*iso(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3)), added=special('<｜end▁of▁sentence｜>')),
    'gpt-4o': dict(pre=seq(*iso(cased(CONTRACTIONS + '?') + r"|\p{N}{1,3}" + SLASHES))),
    'tekken': dict(pre=seq(*iso(cased('') + r"|\p{N}" + SLASHES)), model=dict(ignore_merges=True)),
    'kimi': dict(pre=seq(*iso(KIMI))),
    'bailing': dict(pre=seq(*iso(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"))),
    'falcon': dict(pre=P.Sequence([P.Punctuation('contiguous'), P.ByteLevel(False), P.Digits(False), P.Split(Regex('[0-9][0-9][0-9]'), 'isolated')])),
    'starcoder': dict(pre=P.Sequence([P.Digits(True), P.ByteLevel(False)])),
    'gpt2': dict(pre=P.ByteLevel(True), post=True),
    'neox': dict(norm=N.NFC(), pre=P.ByteLevel(False),
                 added=[AddedToken(' ' * n, normalized=True) for n in range(24, 1, -1)] +
                 [AddedToken('<mask>', lstrip=True, special=True, normalized=False), AddedToken('R\u0301ight', rstrip=True, normalized=True),
                  AddedToken('word', single_word=True, normalized=False)]),
    'bloom': dict(pre=seq(P.Split(Regex(BLOOM), 'isolated'))),
    'superbpe': dict(pre=seq(*iso(r"\p{N}+", r"(?=(\d{3})+(?!\d))"))),
    'aya': dict(pre=seq(*iso(r"\d{1,3}(?=(?:\d{3})*\b)", cased(CONTRACTIONS + '?') + r"|\p{N}{1,3}" + SLASHES))),
    'llama2': dict(norm=N.Sequence([N.Prepend(MARK), N.Replace(' ', MARK)]), pre=None, dec=LLAMA_DECODER, train=(None, META),
                   model=dict(byte_fallback=True, fuse_unk=True, unk_token='<unk>'), bytes=True, bos='<s>', added=special('<unk>', '<s>', '</s>')),
    'mistral': dict(pre=P.Metaspace(prepend_scheme='first', split=False), dec=LLAMA_DECODER, train=(None, META),
                    model=dict(byte_fallback=True, unk_token='<unk>'), bytes=True, bos='<s>', added=special('<unk>', '<s>', '[INST]')),
    'gemma': dict(norm=N.Replace(' ', MARK), pre=P.Split(' ', 'merged_with_previous'), dec=D.Sequence([D.Replace(MARK, ' '), D.ByteFallback(), D.Fuse()]),
                  train=(None, META), model=dict(byte_fallback=True, fuse_unk=True, unk_token='<unk>'), bytes=True, bos='<bos>',
                  added=special('<unk>', '<bos>', '<end_of_turn>') + [AddedToken('\n' * n, normalized=False) for n in range(2, 8)]),
    'clip': dict(norm=N.Sequence([N.NFC(), N.Replace(Regex(r'\s+'), ' '), N.Lowercase()]), dec=D.ByteLevel(),
                 pre=P.Sequence([P.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), 'removed', invert=True), P.ByteLevel(False)]),
                 model=dict(end_of_word_suffix='</w>', unk_token='<|endoftext|>'), added=special('<|endoftext|>')),
    'words': dict(norm=N.Sequence([N.NFKD(), N.StripAccents(), N.Strip()]), pre=P.Whitespace(), dec=D.BPEDecoder('</w>'),
                  model=dict(end_of_word_suffix='</w>', continuing_subword_prefix='##', unk_token='[UNK]'), added=special('[UNK]')),
    'bert-like': dict(norm=N.BertNormalizer(), pre=P.BertPreTokenizer(), dec=None, model=dict(unk_token='[UNK]', fuse_unk=True), added=special('[UNK]', '[CLS]')),
    'behaviors': dict(norm=N.Sequence([N.NFKC(), N.Nmt()]), dec=None, model=dict(unk_token='[UNK]'), added=special('[UNK]'),
                      pre=P.Sequence([P.CharDelimiterSplit('|'), P.Split(Regex(r'[aeiou]+\b'), 'merged_with_next'), P.Split(Regex(r'\h{2}|\w\W'), 'contiguous'),
                                      P.Split('t', 'merged_with_previous'), P.Split(Regex(r'[a-m&&[^c-f]]|[^[a-z]\s]{2}+'), 'isolated', invert=True)])),
}

FIXED = ["", " ", "  ", "\n", "\t\tx", "Hello, world!", " Hello  world ", "don't we'll I'VE they'Re it'ſ", "1234567890 12 345 6,789.01",
         "a\u00a0b\u2003c\u200bd\u180ee\u0085f", "naïve café résumé — “quotes” … ‽", "A\u030angstrom ﬁ ½ ² Ⅷ", "你好，世界！", "こんにちは世界 ﾊﾝｶｸ",
         "안녕하세요 세계", "Привет, мир! Ёлка", "مرحبا بالعالم ١٢٣", "नमस्ते क्‍ष", "👩‍👩‍👧‍👦 🇨🇳 👍🏽", "x" * 40, "!!!!!!??", "-----====",
         "def f(x):\n    return {'a': [1, 2.5e-3]}  # c\n", "<b class=\"a\">&amp;</b>", "https://example.org/a_b?c=d#g", "\u0001 control", "CRLF\r\nCR\r",
         "ＦＵＬＬ　ＷＩＤＴＨ", "𝕳𝖊𝖑𝖑𝖔 𝟙𝟚", "the The THE tHe", "foo_barBazQux123Abc", "   leading and trailing   ", "line1\n line2\n  line3\n\n   line4",
         "\u2581underscore", "<s>x</s> <|endoftext|> <|im_start|>user\nhi<|im_end|> [CLS] [MASK] <mask> word words <pad>", "ßẞ İı Łł", "a|bb|c  word. R\u0301ight  x",
         "\u0897\U0001C80A \U00010D4A\U00010D6D \U000323B0\u31ef \U0001E5D0", "<0x41><0xF0><0x9F>", "\ufdfa\u1e9b\u0323 ŉ ǰ"]
POOLS = [[chr(c) for c in range(32, 127)], list(" \t\n\r\v\f\u0085\u00a0\u1680\u2003\u2028\u202f\u3000\u180e\u200b"), list("   \n\n  "), list("aeiousStTmMdDrRvVlL'’ſK")]
BLOCKS = [[chr(c) for c in range(0x110000) if unicodedata.category(chr(c)).startswith(k)] for k in
          ('Lu', 'Ll', 'Lt', 'Lm', 'Mn', 'Mc', 'Me', 'Nd', 'Nl', 'No', 'P', 'S', 'Cc', 'Cf')]
BLOCKS += [[chr(c) for c in range(a, b)] for a, b in ((0x80, 0x250), (0x370, 0x600), (0x600, 0xe00), (0x3040, 0x3100), (0x4e00, 0x5200), (0xac00, 0xad00),
                                                      (0x1f300, 0x1f650), (0xe000, 0xe010), (0x20000, 0x20100), (0x1c80, 0x1d00), (0xa7c0, 0xa800),
                                                      (0x10d40, 0x10d90), (0x16100, 0x16140), (0x323b0, 0x323d0), (0x378, 0x37a), (0xff00, 0xfff0))]


def random_text(rng, extra):
    text = ''
    for _ in range(rng.randint(1, 14)):
        pool = rng.choice(POOLS) if rng.random() < .55 else rng.choice(BLOCKS)
        run = rng.choice((1, 1, 2, 3, 5, 8))
        text += rng.choice(pool) * run if rng.random() < .2 else ''.join(rng.choice(pool) for _ in range(run))
        if rng.random() < .08:
            text += rng.choice(extra)
    return text


def build(o, lines):
    model = dict(o.get('model', {}))
    tk = Tokenizer(models.BPE(**model))
    byte_level = 'ByteLevel' in repr(o['pre'])
    norm, pre = o.get('train', (o.get('norm'), o['pre']))
    if norm: tk.normalizer = norm
    tk.pre_tokenizer = pre
    extra = {k: model[k] for k in ('end_of_word_suffix', 'continuing_subword_prefix') if k in model}
    first = [t.content for t in o.get('added', []) if t.special and t.content == model.get('unk_token')]
    if o.get('bytes'): first += [f'<0x{b:02X}>' for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=900 + len(first), special_tokens=first, show_progress=False,
                                  initial_alphabet=P.ByteLevel.alphabet() if byte_level else [], limit_alphabet=300 if byte_level else 120, **extra)
    tk.train_from_iterator(lines, trainer)
    saved = json.loads(tk.to_str())
    saved['added_tokens'] = []
    saved['model'].update(model)
    tk = Tokenizer.from_str(json.dumps(saved))
    if o.get('norm'): tk.normalizer = o['norm']
    elif norm: tk.normalizer = None
    # The library cannot take a pre-tokenizer away again, but the file can.
    if o['pre'] is None:
        saved = json.loads(tk.to_str())
        saved['pre_tokenizer'] = None
        tk = Tokenizer.from_str(json.dumps(saved))
    else: tk.pre_tokenizer = o['pre']
    if 'dec' not in o or o['dec'] is not None: tk.decoder = o.get('dec') or D.ByteLevel()
    tk.add_tokens(o.get('added', []))
    if 'bos' in o:
        bos = (o['bos'], tk.token_to_id(o['bos']))
        tk.post_processor = processors.TemplateProcessing(single=bos[0] + ' $A', pair='$A $B', special_tokens=[bos])
    if o.get('post'):
        tk.post_processor = processors.RobertaProcessing(('e', tk.token_to_id('e')), ('s', tk.token_to_id('s')))
    return tk


lines = [l for l in open(textfile, encoding='utf-8')][:6000]
for name, options in FAMILIES.items():
    if only and name not in only: continue
    tk = build(options, lines)
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, 'tokenizer.json'), 'w').write(json.dumps(json.loads(tk.to_str()), ensure_ascii=False, separators=(',', ':')))
    rng = random.Random(name)
    extra = [t.content for t in options.get('added', [])] + ['<|endoftext|>', ' word ', "'s"]
    texts = FIXED + [random_text(rng, extra) for _ in range(count)]
    texts += [l.strip() for l in lines if len(l) > 80][3:43:20]
    with open(os.path.join(folder, 'cases.jsonl'), 'w') as f:
        for t in texts:
            a = tk.encode(t, add_special_tokens=False).ids
            f.write(json.dumps(dict(text=t, ids=a, ids_special=tk.encode(t).ids, decoded=tk.decode(a, skip_special_tokens=False)), ensure_ascii=False) + '\n')
    print(name, tk.get_vocab_size(), len(texts), os.path.getsize(os.path.join(folder, 'cases.jsonl')))
