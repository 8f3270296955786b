std = "luajit"
max_line_length = 100
max_cyclomatic_complexity = 10
self = false
include_files = {
  "lua/**/*.lua", "plugins/**/*.lua", "spec/**/*.lua", "conf/**/*.lua", ".luacheckrc", ".busted",
}
-- What a configuration is written with; it has nothing of the operating system.
local configuration = {
  std = {
    read_globals = {
      "workers", "memory", "store", "plan", "listen", "admin", "upstream", "consumer", "use",
      "group", "route",
      "include", "env", "file", "log", "limits", "resolver", "shed", "plugins", "trusted_proxies",
      "forwarded", "via", "user", "store",
      "ipairs", "pairs", "next", "tostring", "tonumber", "type", "assert", "error", "pcall",
      "select", "unpack", "string", "table", "math", "os",
    },
  },
}
files["conf"] = configuration
files["spec"] = { std = "+busted" }
files["spec/docs/gateway.lua"] = configuration
