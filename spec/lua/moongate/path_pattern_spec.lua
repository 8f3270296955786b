local ffi = require "ffi"
local path_pattern = require "moongate.path_pattern"
local runtime = require "spec.support.runtime"

local C = runtime.C

runtime.include "http/uri.h"

-- The paths of patterns: see router_spec.
describe("path_pattern: a template", function()
  local arena

  before_each(function()
    arena = runtime.new_arena()
  end)

  after_each(function()
    C.arena_clear(arena)
  end)

  local function check(template)
    return path_pattern.check_template(template, { "id", "rest" }, function(path)
      local normal = ffi.new "struct slice[1]"
      if not C.uri_normalise_path(runtime.slice(path), arena, normal) then return nil end
      return runtime.text(normal[0])
    end)
  end

  for _, template in ipairs {
    "/", "/v2/x", "/v2/{id}", "/{rest*}/{id}", "/{rest}", "/users-{id}.json", "/{id}{rest}",
    "/a%20b",
  } do
    it("may be " .. template, function()
      assert.same({ true }, { check(template) })
    end)
  end

  local UNCLOSED = "has an unclosed placeholder; expected {name} or {name*}"
  local ESCAPE = "has a malformed escape, or empty, \".\" or \"..\" segments"
  local CASES = {
    ["v2/{id}"] = "does not begin with \"/\"",
    ["/v2/{idd}"] = "has the unknown placeholder {idd}; the route's path has {id}, {rest}",
    ["/v2/{}"] = "has the unknown placeholder {}; the route's path has {id}, {rest}",
    ["/v2/{id"] = UNCLOSED,
    ["/v2/{{id}"] = UNCLOSED,
    ["/v2/id}"] = "has a \"}\" without a \"{\" before it; expected {name} or {name*}",
    ["/v2?x={id}"] = "has a query; expected it under query = { name = \"value\" }",
    ["/v2/a b"] = "has the byte 0x20; expected %20",
    ["/v2/../x"] = ESCAPE,
    ["/v2//x"] = ESCAPE,
    ["/v2/%2"] = ESCAPE,
  }
  for template, expected in pairs(CASES) do
    it("may not be " .. template, function()
      local ok, message = check(template)
      assert.is_nil(ok)
      assert.equal(expected, message)
    end)
  end

  it("names what a route without placeholders has", function()
    local _, message = path_pattern.check_template("/{id}", {}, function(path) return path end)
    assert.equal("has the unknown placeholder {id}; the route's path has no placeholders", message)
  end)

  it("has names that its pattern has, with a star or without", function()
    local PATH = "/a/{id}/{rest*}"
    for _, template in ipairs { "/b", "/{id}", "/{rest}/{id}", "/{rest*}", "/{id*}" } do
      assert.is_true(path_pattern.has_names_of(PATH, template))
    end
    for _, template in ipairs { "/{i}", "/{idx}", "/{id}/{res}", "/{a}" } do
      assert.is_false(path_pattern.has_names_of(PATH, template))
    end
  end)
end)
