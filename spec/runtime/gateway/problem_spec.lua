local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("a problem", function()
  local moongate, keeper

  setup(function()
    local port
    port, keeper = peer.refusing()
    moongate = gateway.start { files = probe.files, config = ([[
      listen "127.0.0.1:0"
      upstream "gone" { "http://127.0.0.1:%d" }
      route "/gone" { upstream = "gone" }
      route "/id" { upstream = "gone", plugins = { { "probe", on_request = function(req)
        req.id = 'a"b<c>&\\d'
      end } } }
    ]]):format(port) }
  end)

  teardown(function()
    gateway.stop_all()
    keeper:close()
  end)

  local function get(path, accept)
    return http.request(moongate.port, { path = path, headers = accept and { Accept = accept } })
  end

  local DRESSES = {
    { nil, "application/problem+json" },
    { "", "application/problem+json" },
    { "*/*", "application/problem+json" },
    { "application/json", "application/problem+json" },
    { "image/png", "application/problem+json" },
    { "text/html", "text/html" },
    { "Text/HTML;level=1", "text/html" },
    { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html" },
    { "text/plain", "text/plain" },
    { "image/png, text/plain, text/html", "text/plain" },
    { "text/html;q=0", "application/problem+json" },
    { "text/html; Q=0.000, text/plain;q=0.001", "text/plain" },
    { "text/html;q=0.5, application/json", "application/problem+json" },
    { "text/html;level=1;q=0.5, text/plain;q=0.75", "text/plain" },
    { "text/html;q=0.9, text/plain;q=0.95", "text/plain" },
    { "text/html;q=, text/plain;q=0.1", "text/html" },
    { "text/html;q=1.000, text/plain;q=99999999999", "text/html" },
    { { "image/png", "text/html" }, "text/html" },
  }

  for _, dress in ipairs(DRESSES) do
    local shown = type(dress[1]) == "table" and table.concat(dress[1], " and ") or dress[1]
    it(("for Accept %s is %s"):format(tostring(shown), dress[2]), function()
      local response = get("/nowhere", dress[1])
      assert.equal(404, response.status)
      assert.equal(dress[2], response.headers["content-type"]:match "^[^;]+")
      assert.equal("no-store", response.headers["cache-control"])
    end)
  end

  it("says what is wrong, and nothing of the inside", function()
    local response = get "/gone"
    local document = json.decode(response.body)
    assert.same({
      type = "urn:moongate:problem:upstream-refused", title = "Bad Gateway", status = 502,
      detail = "The upstream refused the connection.", instance = document.instance,
    }, document)
    assert.is_truthy(document.instance:find("^" .. ("%x"):rep(32) .. "$"))
    assert.equal("moongate; error=connection_refused", response.headers["proxy-status"])
  end)

  it("is escaped in each of its dresses", function()
    local id = 'a"b<c>&\\d'
    assert.equal(id, json.decode(get("/id").body).instance)
    assert.is_truthy(get("/id", "text/html").body:find("b&lt;c&gt;&amp;", 1, true))
    assert.is_truthy(get("/id", "text/plain").body:find(id, 1, true))
  end)
end)
