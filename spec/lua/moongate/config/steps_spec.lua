--- steps: the plugins that routes list.

local gateway = require "spec.support.gateway"

-- Entries that cannot be told by how they are written, for the functions in them, between others.
local CONFIG = [[
  listen "127.0.0.1:0"
  upstream "users" { "http://127.0.0.1:1" }
  for i = 1, 400 do
    local plugins = {}
    for k = 1, i % 6 do
      plugins[k] = (i * k) % 3 == 0
        and { "rate-limit", limit = 1 + i, window = "1m", by = function(req) return req.method end }
        or { "transform", set_headers = { ["x-a"] = "v" .. (i + k) % 5 } }
    end
    route("/" .. i) { upstream = "users", plugins = plugins }
  end
]]

describe("steps", function()
  it("are read by the hundred, whatever of it is compiled by then", function()
    for _ = 1, 2 do
      local code, out, err = gateway.run({ "check" }, { config = CONFIG })
      assert.equal("", err)
      assert.matches("good; 400 routes", out)
      assert.equal(0, code)
    end
  end)
end)
