#!/usr/bin/env python3
"""Write small sentencepiece BPE models, and what sentencepiece gives for them.

usage: make_spm_data.py OUTDIR TEXTFILE CASES_JSONL...
needs: sentencepiece

OUTDIR/NAME/ gets spiece.model and spm_cases.jsonl ({"text", "ids", "decoded"}) for the texts of the CASES_JSONL files.
"""
import json
import os
import sys
import sentencepiece as spm

out, textfile, *cases = sys.argv[1:]
texts = list(dict.fromkeys(json.loads(l)['text'] for f in cases for l in open(f, encoding='utf-8')))
texts = [t for t in texts if '\0' not in t]
MODELS = {
    'spm-bpe-identity': dict(normalization_rule_name='identity', byte_fallback=True, remove_extra_whitespaces=False, split_digits=True),
    'spm-bpe-nfkc': dict(normalization_rule_name='nmt_nfkc', user_defined_symbols=['<sep>', 'ﬁx', '\u2581\u2581', 'foo bar'], control_symbols=['[C]']),
    'spm-bpe-suffix': dict(normalization_rule_name='nfkc_cf', treat_whitespace_as_suffix=True, byte_fallback=True, pad_id=3),
    'spm-bpe-noprefix': dict(normalization_rule_name='identity', add_dummy_prefix=False, remove_extra_whitespaces=False, byte_fallback=True),
}
for name, options in MODELS.items():
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    prefix = os.path.join(folder, 'spiece')
    spm.SentencePieceTrainer.train(input=textfile, input_sentence_size=4000, model_prefix=prefix, vocab_size=1200, model_type='bpe',
                                   character_coverage=.999, minloglevel=2, **options)
    os.remove(prefix + '.vocab')
    p = spm.SentencePieceProcessor(model_file=prefix + '.model')
    with open(os.path.join(folder, 'spm_cases.jsonl'), 'w') as f:
        for t in texts + ['a <sep> b<sep>c ﬁx ﬁ', ' foo bar  foo  bar [C] x', '\u2581\u2581 a \u2581']:
            ids = p.encode(t)
            f.write(json.dumps(dict(text=t, ids=ids, decoded=p.decode(ids)), ensure_ascii=False) + '\n')
    print(name, p.vocab_size(), os.path.getsize(prefix + '.model'))
