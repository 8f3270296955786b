local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/cache_purge.h"

local KINDS = {
  [tonumber(C.CACHE_PURGE_URL)] = "url", [tonumber(C.CACHE_PURGE_PREFIX)] = "prefix",
  [tonumber(C.CACHE_PURGE_TAG)] = "tag", [tonumber(C.CACHE_PURGE_ROUTE)] = "route",
  [tonumber(C.CACHE_PURGE_ALL)] = "all", [tonumber(C.CACHE_PURGE_PLUGIN)] = "plugin-cache",
}

describe("cache_purge", function()
  it("is read from a line", function()
    local function read(line)
      local purge = ffi.new "struct cache_purge"
      local text = runtime.slice(line)
      if not C.cache_purge_read(text, purge) then return nil end
      return ("%s %s[%s]"):format(purge.is_soft and "soft" or "hard", KINDS[tonumber(purge.kind)],
        runtime.text(purge.value))
    end
    for line, expected in pairs {
      ["url http://a/b c"] = "hard url[http://a/b c]", ["soft tag x"] = "soft tag[x]",
      ["prefix p"] = "hard prefix[p]", ["route GET /a"] = "hard route[GET /a]",
      ["plugin-cache jwt"] = "hard plugin-cache[jwt]",
      ["all"] = "hard all[]", ["soft all"] = "soft all[]",
    } do
      assert.equal(expected, read(line), line)
    end
    for _, line in ipairs {
      "", "url", "url ", "soft", "soft soft all", "all x", "hard all", "urls x", "Tag x", " all",
    } do
      assert.is_nil(read(line), line)
    end
  end)

  it("has a sentence for what is wrong", function()
    assert.is_true(C.cache_purge_fault(C.CACHE_PURGE_DONE) == nil)
    assert.is_true(C.cache_purge_fault(C.CACHE_PURGE_BEGUN) == nil)
    for _, name in ipairs { "NO_URL", "TOO_LONG", "BUSY", "NOT_SOFT" } do
      assert.is_true(C.cache_purge_fault(C["CACHE_PURGE_" .. name]) ~= nil)
    end
  end)
end)
