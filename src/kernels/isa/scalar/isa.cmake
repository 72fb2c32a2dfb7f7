# Plain C++ for every processor.
set(isa_processors ".*")
set(isa_flags "")
