--- chains: plugins whose cost is pinned together, as the list that a route has of them.

local configurations = require "spec.bench.configurations"

local chains = {}

--- Of a consumer whose key is "secret", as all here.
chains.FOUR = [[
      { "key-auth" },
      { "rate-limit", limit = 1000000000, window = "1s", by = "consumer" },
      { "transform", set_headers = { ["x-team"] = "core" },
                     response = { remove_headers = { "x-powered-by" },
                                  set_headers = { ["x-served-by"] = "gateway" } } },
      { "metrics" },
]]

chains.EIGHT = [[
      { "request-id" }, { "ip-filter", allow = { "127.0.0.0/8" } }, { "cors", origins = { "*" } },
]] .. chains.FOUR .. [[
      { "access-log", path = "/dev/null" },
]]

--- An operator's own, whose file is the only one of FILES.
chains.HMAC = '{ "hmac" }'
chains.FILES = { ["plugins/hmac.lua"] = configurations.hmac_plugin }

return chains
