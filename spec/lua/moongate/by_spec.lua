local by = require "moongate.by"

-- As headers, queries, cookies and captures are read.
local function fields(values)
  return { get = function(_, name) return values[name:lower()] end }
end

describe("by", function()
  local req = {
    consumer_name = "mobile", address = "10.0.0.1", route = "GET /a",
    headers = fields { ["x-tenant"] = "blue" }, query = fields { q = "1" },
    cookies = fields { sid = "s" }, params = fields { id = "7" },
    claims = { sub = "u", level = 3, admin = false },
  }

  it("reads each kind from the request", function()
    local rows = {
      { "consumer", "mobile" }, { "address", "10.0.0.1" }, { "route", "GET /a" },
      { "header:X-Tenant", "blue" }, { "query:q", "1" }, { "cookie:sid", "s" },
      { "param:id", "7" }, { "claim:sub", "u" }, { "claim:level", "3" }, { "claim:admin", "false" },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], by.parse(row[1])(req), row[1]) end
  end)

  it("gives nil for what a request does not have", function()
    local none = fields {}
    local bare = { headers = none, query = none, cookies = none, params = none, context = {} }
    for _, text in ipairs { "consumer", "header:x", "query:q", "cookie:c", "param:p", "claim:c" } do
      assert.is_nil(by.parse(text)(bare), text)
    end
  end)

  it("takes a function as it is, and one text for one function", function()
    assert.equal(print, by.parse(print))
    assert.equal(by.parse "header:a", by.parse "header:a")
  end)

  it("tells what a function was made of, unless it is the operator's own", function()
    assert.same({ "header", "x-tenant" }, { by.origin(by.parse "header:X-Tenant") })
    assert.same({ "address" }, { by.origin(by.parse "address") })
    assert.is_nil(by.origin(print))
  end)

  it("does not understand anything else", function()
    for _, value in ipairs { "", "consumers", "header", "header:", "body:x", 7, {} } do
      assert.is_nil(by.parse(value), tostring(value))
    end
  end)
end)
