local runtime = require "spec.support.runtime"

local C = runtime.include "http/message.h"
local slice, text = runtime.slice, runtime.text

local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT" }

describe("message", function()
  it("knows its methods by name and back", function()
    for _, name in ipairs(METHODS) do
      local method = C.method_of(slice(name))
      assert.equal(C["METHOD_" .. name], tonumber(method))
      assert.equal(name, text(C.method_name_of(method)))
    end
    assert.equal(#METHODS + 1, C.METHOD_COUNT)
  end)

  it("takes all else for other methods, in case too", function()
    for _, name in ipairs { "", "get", "Get", "GETS", "GE", "PROPFIND", "GET " } do
      assert.equal(C.METHOD_OTHER, tonumber(C.method_of(slice(name))), name)
    end
  end)

  it("sends twice only what is idempotent", function()
    local twice = {}
    for method = 0, C.METHOD_COUNT - 1 do
      if C.method_is_idempotent(method) then
        twice[#twice + 1] = text(C.method_name_of(method))
      end
    end
    assert.same({ "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" }, twice)
  end)

  it("has a reason for each registered status", function()
    for status, reason in pairs {
      [100] = "Continue", [103] = "Early Hints", [200] = "OK", [404] = "Not Found",
      [413] = "Payload Too Large", [425] = "Too Early", [505] = "HTTP Version Not Supported",
      [299] = "Unknown", [0] = "Unknown", [-1] = "Unknown", [1000] = "Unknown",
    } do
      assert.equal(reason, text(C.status_reason(status)), status)
    end
  end)

  it("knows which answers never have a body", function()
    for _, status in ipairs { 100, 101, 103, 199, 204, 304 } do
      assert.is_true(C.status_has_no_body(status), status)
    end
    for _, status in ipairs { 99, 200, 203, 205, 206, 301, 404, 500 } do
      assert.is_false(C.status_has_no_body(status), status)
    end
  end)
end)
