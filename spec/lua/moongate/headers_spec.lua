local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("headers", function()
  local upstream, moongate

  local function sent(path, headers)
    http.request(moongate.port, { path = path, headers = headers })
    local requests = upstream:requests()
    return requests[#requests].headers
  end

  local function said(path, headers)
    return http.request(moongate.port, { path = path, headers = headers }).headers["x-says"]
  end

  setup(function()
    upstream = peer.start()
    moongate = gateway.start { files = probe.files, config = ([==[
      listen "127.0.0.1:0"
      upstream "up" { "%s" }
      local function does(signature, run)
        local says = ""
        route(signature) { upstream = "up", plugins = { { "probe",
          on_request = function(req)
            local ok, value = pcall(run, req.headers)
            says = tostring(value)
          end,
          on_response = function(req, res) res.headers["x-says"] = says:gsub("\n", " ") end,
        } } }
      end
      does("/get", function(h) return h["X-Some"] .. "|" .. h.some .. "|" .. tostring(h.none) end)
      does("/all", function(h) return table.concat(h:all "x-some", "|") .. "|" .. #h:all "none" end)
      does("/each", function(h)
        local names = {}
        for _, name, value in h:each() do
          if name:find "^x%%-" then names[#names + 1] = name .. "=" .. value end
        end
        return table.concat(names, "|")
      end)
      does("/set", function(h) h["X-Some"] = "new" h["x-other"] = 5 end)
      does("/add", function(h) h:add("x-some", "more") end)
      does("/remove", function(h) h["x-some"] = nil return h:remove "x-none" end)
      does("/inject", function(h) h["x-some"] = "a\r\nx-evil: 1" end)
      does("/name", function(h) h["x some"] = "a" end)
      does("/length", function(h) h["content-length"] = "5" end)
      does("/coding", function(h) h:add("Transfer-Encoding", "chunked") end)
      does("/connection", function(h) h.connection = "x-some" end)
      does("/unframe", function(h) h["content-length"] = nil return "fine" end)
      does("/many", function(h) for i = 1, 300 do h:add("x-some", i) end end)
    ]==]):format(upstream.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("are found in any case, repeated ones joined", function()
    assert.equal("a, b|c|nil",
      said("/get", { { "x-some", "a" }, { "X-SOME", "b" }, { "Some", "c" } }))
  end)

  it("give repeated ones one by one", function()
    assert.equal("a|b, c|0", said("/all", { { "X-Some", "a" }, { "x-some", "b, c" } }))
  end)

  it("are walked over in their order, names in lower case", function()
    assert.equal("x-b=1|x-a=2|x-b=3",
      said("/each", { { "X-B", "1" }, { "X-a", "2" }, { "x-b", "3" } }))
  end)

  it("replace all of a name when set", function()
    local headers = sent("/set", { { "x-some", "a" }, { "x-some", "b" } })
    assert.same({ "new", "5" }, { headers["x-some"], headers["x-other"] })
  end)

  it("stand beside those of the same name when added", function()
    assert.same({ "a", "more" }, sent("/add", { { "x-some", "a" } })["x-some"])
  end)

  it("are removed with all of their name", function()
    assert.is_nil(sent("/remove", { { "x-some", "a" }, { "X-Some", "b" } })["x-some"])
    assert.equal("0", said "/remove")
  end)

  it("refuse what would be read as another field", function()
    assert.matches('header "x%-some" would get a value that no field may have', said "/inject")
    assert.matches('header "x some" is not a field name', said "/name")
    assert.is_nil(sent("/inject")["x-evil"])
  end)

  it("refuse to frame the message", function()
    for _, path in ipairs { "/length", "/coding", "/connection" } do
      assert.matches("is written by the gateway itself", said(path))
    end
    assert.equal("fine", said "/unframe")
  end)

  it("refuse to grow without bound", function()
    assert.matches("too many fields", said "/many")
  end)
end)
