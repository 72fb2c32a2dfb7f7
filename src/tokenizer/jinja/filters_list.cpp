// Filters over sequences: parts, order, groups.
#include <algorithm>

#include "tokenizer/jinja/builtin_args.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

// What is compared where case does not matter.
Value folded(Interpreter& in, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.string()) return value;
  return in.text(text_lower(value.text()));
}

// The part of `item` that a filter's `attribute` names, or the item.
Value part_of(Interpreter& in, const Value& item, const Value* attribute) {
  return attribute == nullptr || attribute->is(Kind::kNone) ? item : in.path(item, *attribute);
}

const Value* slot(const Bound& args, std::size_t i) {
  return args.has(i) ? &args.at(i) : nullptr;
}

// Stable, by keys; merge sort by hand, because std::sort may misbehave where comparing throws or
// is no order (NaN), while this one only compares.
std::vector<std::size_t> sorted_order(Interpreter& in, const std::vector<Value>& keys,
                                      bool reverse) {
  std::vector<std::size_t> order(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<std::size_t> merged(order.size());
  const auto before = [&](std::size_t a, std::size_t b) {
    in.charge(1);
    return reverse ? in.compare(Op::kLt, keys[b], keys[a]) : in.compare(Op::kLt, keys[a], keys[b]);
  };
  for (std::size_t width = 1; width < order.size(); width *= 2) {
    for (std::size_t start = 0; start < order.size(); start += 2 * width) {
      std::size_t i = start;
      std::size_t j = std::min(start + width, order.size());
      const std::size_t middle = j;
      const std::size_t end = std::min(start + 2 * width, order.size());
      for (std::size_t k = start; k < end; ++k) {
        const bool right = i == middle || (j < end && before(order[j], order[i]));
        merged[k] = right ? order[j++] : order[i++];
      }
    }
    order.swap(merged);
  }
  return order;
}

std::vector<Value> picked(const std::vector<Value>& items, const std::vector<std::size_t>& order) {
  std::vector<Value> out;
  out.reserve(order.size());
  for (const std::size_t i : order) out.push_back(items[i]);
  return out;
}

Value filter_sort(Interpreter& in, const Value& self, const Bound& args) {
  const std::vector<Value> items = in.iterate(self);
  const bool case_sensitive = bool_arg(args, 1, false);
  std::vector<Value> keys;
  for (const Value& item : items) {
    if (!args.given(2) || !args.at(2).string()) {
      keys.push_back(folded(in, part_of(in, item, slot(args, 2)), case_sensitive));
      continue;
    }
    std::vector<Value> parts;  // "a,b" sorts by a, then by b
    std::string_view rest = args.at(2).text();
    while (true) {
      const std::size_t comma = rest.find(',');
      const Value name = in.text(std::string(rest.substr(0, comma)));
      parts.push_back(folded(in, in.path(item, name), case_sensitive));
      if (comma == rest.npos) break;
      rest.remove_prefix(comma + 1);
    }
    keys.push_back(in.list(std::move(parts)));
  }
  return in.list(picked(items, sorted_order(in, keys, bool_arg(args, 0, false))));
}

Value filter_dictsort(Interpreter& in, const Value& self, const Bound& args) {
  if (!self.is(Kind::kDict)) in.fail("dictsort needs a mapping");
  const std::string by = args.has(1) ? in.str(args.at(1)) : "key";
  if (by != "key" && by != "value") in.fail("You can only sort by either \"key\" or \"value\"");
  std::vector<Value> pairs;
  std::vector<Value> keys;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    pairs.push_back(in.tuple({key, value}));
    keys.push_back(folded(in, by == "key" ? key : value, bool_arg(args, 0, false)));
  }
  return in.list(picked(pairs, sorted_order(in, keys, bool_arg(args, 2, false))));
}

Value filter_unique(Interpreter& in, const Value& self, const Bound& args) {
  DictObject& seen = in.dict();
  std::vector<Value> out;
  for (const Value& item : in.iterate(self)) {
    const Value key = folded(in, part_of(in, item, slot(args, 1)), bool_arg(args, 0, false));
    const std::size_t before = seen.entries.size();
    in.dict_set(seen, key, key);
    if (seen.entries.size() != before) out.push_back(item);
  }
  return in.iterator(std::move(out));
}

Value extreme(Interpreter& in, const Value& self, const Bound& args, Op better) {
  const std::vector<Value> items = in.iterate(self);
  if (items.empty()) return in.undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  Value best_key;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Value key = folded(in, part_of(in, items[i], slot(args, 1)), bool_arg(args, 0, false));
    if (i > 0 && !in.compare(better, key, best_key)) continue;
    best = i;
    best_key = key;
  }
  return items[best];
}

Value filter_min(Interpreter& in, const Value& self, const Bound& args) {
  return extreme(in, self, args, Op::kLt);
}

Value filter_max(Interpreter& in, const Value& self, const Bound& args) {
  return extreme(in, self, args, Op::kGt);
}

Value filter_groupby(Interpreter& in, const Value& self, const Bound& args) {
  const std::vector<Value> items = in.iterate(self);
  const auto value_of = [&](const Value& item) {
    const Value found = in.path(item, args.at(0));
    return found.undefined() && args.given(1) ? args.at(1) : found;
  };
  std::vector<Value> keys;
  keys.reserve(items.size());
  for (const Value& item : items) {
    keys.push_back(folded(in, value_of(item), bool_arg(args, 2, false)));
  }
  std::vector<Value> groups;
  std::vector<Value> group;
  const auto order = sorted_order(in, keys, false);
  for (std::size_t i = 0; i < order.size(); ++i) {
    group.push_back(items[order[i]]);
    if (i + 1 < order.size() && in.equal(keys[order[i]], keys[order[i + 1]])) continue;
    const Value name = value_of(group[0]);
    const Value pair = in.tuple({name, in.list(std::exchange(group, {}))});
    pair.as<ListObject>().view = "group";
    groups.push_back(pair);
  }
  return in.list(std::move(groups));
}

Value filter_first(Interpreter& in, const Value& self, const Bound&) {
  if (self.is(Kind::kIterator)) {  // takes one item only
    auto& source = self.as<IteratorObject>();
    if (source.next < source.items.size()) return source.items[source.next++];
  }
  if (self.string() && !self.text().empty()) return in.item(self, Value::of(std::int64_t{0}));
  const std::vector<Value> items = in.iterate(self);
  return items.empty() ? in.undefined("No first item, sequence was empty.") : items.front();
}

Value filter_last(Interpreter& in, const Value& self, const Bound&) {
  if (self.is(Kind::kIterator)) in.fail("'last' needs a sequence");
  if (self.string() && !self.text().empty()) return in.item(self, Value::of(std::int64_t{-1}));
  const std::vector<Value> items = in.iterate(self);
  return items.empty() ? in.undefined("No last item, sequence was empty.") : items.back();
}

Value filter_length(Interpreter& in, const Value& self, const Bound&) {
  const std::int64_t length = in.length(self);
  if (length < 0) in.fail(fmt::format("object of type '{}' has no len()", type_name(self)));
  return Value::of(length);
}

Value filter_list(Interpreter& in, const Value& self, const Bound&) {
  return in.list(in.iterate(self));
}

Value filter_reverse(Interpreter& in, const Value& self, const Bound&) {
  const Value back = Value::of(std::int64_t{-1});
  if (self.string()) return in.slice(self, nullptr, nullptr, &back);
  const bool lazy = !self.is(Kind::kIterator) && !self.undefined();
  std::vector<Value> items = in.iterate(self);
  std::reverse(items.begin(), items.end());
  return lazy ? in.iterator(std::move(items)) : in.list(std::move(items));
}

Value filter_join(Interpreter& in, const Value& self, const Bound& args) {
  const std::string between = args.has(0) ? in.str(args.at(0)) : "";
  std::string out;
  bool first = true;
  for (const Value& item : in.iterate(self)) {
    if (!std::exchange(first, false)) out += between;
    out += in.str(part_of(in, item, slot(args, 1)));
    in.check_text(out.size());
  }
  return in.text(std::move(out));
}

Value filter_sum(Interpreter& in, const Value& self, const Bound& args) {
  Value total = args.has(1) ? args.at(1) : Value::of(std::int64_t{0});
  if (total.string()) in.fail("sum() can't sum strings");
  for (const Value& item : in.iterate(self)) {
    in.charge(1);
    total = in.arithmetic(Op::kAdd, total, part_of(in, item, slot(args, 0)));
  }
  return total;
}

Value filter_batch(Interpreter& in, const Value& self, const Bound& args) {
  const std::int64_t size = int_arg(in, args, 0, 1);
  std::vector<Value> rows;
  std::vector<Value> row;
  for (const Value& item : in.iterate(self)) {
    if (static_cast<std::int64_t>(row.size()) == size) {
      rows.push_back(in.list(std::exchange(row, {})));
    }
    row.push_back(item);
  }
  const auto missing = size - static_cast<std::int64_t>(row.size());
  if (!row.empty() && args.given(1) && missing > 0) {
    in.check_items(static_cast<std::uint64_t>(missing));
    row.resize(static_cast<std::size_t>(size), args.at(1));
  }
  if (!row.empty()) rows.push_back(in.list(std::move(row)));
  return in.iterator(std::move(rows));
}

Value filter_slice(Interpreter& in, const Value& self, const Bound& args) {
  const std::vector<Value> items = in.iterate(self);
  const std::int64_t count = int_arg(in, args, 0, 1);
  if (count == 0) in.fail("integer division or modulo by zero");
  const auto columns = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  in.check_items(columns);
  std::vector<Value> rows;
  std::size_t at = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    const bool extra = i < items.size() % columns;
    const std::size_t size = items.size() / columns + (extra ? 1 : 0);
    std::vector<Value> row(items.begin() + static_cast<std::ptrdiff_t>(at),
                           items.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
    if (args.given(1) && !extra) row.push_back(args.at(1));
    rows.push_back(in.list(std::move(row)));
  }
  return in.iterator(std::move(rows));
}

constexpr Builtin kListFilters[] = {
    {"batch", "linecount fill_with", 1, filter_batch},
    {"count", "", 0, filter_length},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort},
    {"first", "", 0, filter_first},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby},
    {"join", "d attribute", 0, filter_join},
    {"last", "", 0, filter_last},
    {"length", "", 0, filter_length},
    {"list", "", 0, filter_list},
    {"max", "case_sensitive attribute", 0, filter_max},
    {"min", "case_sensitive attribute", 0, filter_min},
    {"reverse", "", 0, filter_reverse},
    {"slice", "slices fill_with", 1, filter_slice},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort},
    {"sum", "attribute start", 0, filter_sum},
    {"unique", "case_sensitive attribute", 0, filter_unique},
};

}  // namespace

std::span<const Builtin> list_filters() {
  return kListFilters;
}

}  // namespace halfbyte::jinja
