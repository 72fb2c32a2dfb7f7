# Plain C++: every processor, no flags.
set(isa_processors ".*")
set(isa_flags "")
