std = "luajit"
max_line_length = 100
max_cyclomatic_complexity = 10
self = false
include_files = { "lua", "plugins", "spec", "conf", "*.luacheckrc", ".busted" }
files["spec"] = { std = "+busted" }
