// q8_0 caches in f32: each code times its scale. Included in an anonymous namespace, after
// generic/attention_cache.inl, where an ISA has nothing better.

constexpr CacheType kQ8Cache = kCacheType<Q8Row, Codes>;
