--- request_ids_spec: ids that are random, whatever block they come from.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "gateway/request_ids.h"

describe("request_ids", function()
  it("are 32 hex digits, and never the same twice over several blocks", function()
    local ids, text = ffi.new "struct request_ids", ffi.new "char[32]"
    local seen = {}
    for _ = 1, 1000 do
      C.request_ids_next(ids, text)
      local id = ffi.string(text, 32)
      assert.truthy(id:find "^[0-9a-f]+$")
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("do not stay in memory", function()
    local ids, text = ffi.new "struct request_ids", ffi.new "char[32]"
    C.request_ids_next(ids, text)
    local at = tonumber(ids.left) * 16
    assert.equal(("\0"):rep(16), ffi.string(ids.random + at, 16))
  end)
end)
