#include "tokenizer/sources.h"
#include "base/error.h"
namespace halfbyte {
TokenizerSpec read_sentencepiece(ByteView, std::string_view file){ fail_unsupported(file,"x"); }
TokenizerSpec read_gguf_tokenizer(const Metadata& m){ fail_unsupported(m.file,"x"); }
}
