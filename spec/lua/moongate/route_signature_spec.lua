local route_signature = require "moongate.route_signature"

-- Of fewer than the gateway tells it of.
local function is_plain(path) return path:find "^/[%w/{}]*$" ~= nil end

describe("the signature of a route", function()
  local GOOD = {
    ["GET /users/{id}"] = { { "GET" }, "/users/{id}" },
    ["GET,POST /x"] = { { "GET", "POST" }, "/x" },
    ["GET|POST /x"] = { { "GET", "POST" }, "/x" },
    ["GET , POST /x"] = { { "GET", "POST" }, "/x" },
    ["GET, POST /x"] = { { "GET", "POST" }, "/x" },
    ["  M-SEARCH\t/x  "] = { { "M-SEARCH" }, "/x" },
    ["/any/method"] = { {}, "/any/method" },
    ["/"] = { {}, "/" },
  }
  for signature, expected in pairs(GOOD) do
    it("takes " .. signature, function()
      assert.same(expected, { route_signature.parse(signature) })
      local methods, path = route_signature.parse(signature, is_plain)
      assert.same(expected, { methods, path })
    end)
  end

  local BAD = {
    ["GET"] = '"GET" has no path; expected "GET /path" or "/path"',
    [""] = '"" has no path; expected "GET /path" or "/path"',
    ["GET users"] = '"GET users" has no path; expected "GET /path" or "/path"',
    ["get /x"] = 'unknown method "get"; expected "GET"',
    ["FETCH /x"] = 'unknown method "FETCH"; expected one like GET, POST or DELETE',
    ["A B /x"] = '"A B /x" has several words before its path; expected "GET,POST /path"',
    ["GET/x"] = '"GET/x" has no blank before its path; expected "GET /path"',
    ["http://a/x"] = '"http://a/x" has no blank before its path; expected "GET /path"',
    ["PO ST|GET /x"] = 'unknown method "PO ST"; expected one like GET, POST or DELETE',
    ["GET GET,POST /x"] = 'unknown method "GET GET"; expected one like GET, POST or DELETE',
    ["GET, /x"] = '"GET," lacks a method',
    ["GET,GET /x"] = "method GET is given twice",
    ["CONNECT /x"] = "CONNECT requests are refused, so no route can have them",
  }
  for signature, expected in pairs(BAD) do
    it("refuses " .. signature, function()
      local methods, message = route_signature.parse(signature)
      assert.is_nil(methods)
      assert.equal(expected, message)
      assert.same({ nil, expected }, { route_signature.parse(signature, is_plain) })
    end)
  end

  it("is the name, too, where it says no more than one", function()
    local function name(signature)
      return (select(3, route_signature.parse(signature, is_plain)))
    end
    name "GET /" -- what has been read is known
    assert.equal("GET /a/{id}", name "GET /a/{id}")
    assert.equal("/a", name "/a")
    assert.is_nil(name "GET  /a")
    assert.is_nil(name "GET\t/a")
    name "GET|POST /"
    assert.is_nil(name "GET|POST /a")
  end)
end)
