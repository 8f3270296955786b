--- cache_ranges_spec: a part of what is not stored, by both values of `ranges`.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"

local BODY = ("0123456789"):rep(2000)

describe("a part of what is not stored", function()
  local origin, moongate

  setup(function()
    -- Knows ranges "bytes=A-B", If-Range with its tag, and what a path says of storing.
    origin = peer.start(function(connection)
      while true do
        local request = connection:read_request()
        if not request then return end
        local first, last = (request.headers.range or ""):match "^bytes=(%d+)%-(%d+)$"
        local condition = request.headers["if-range"]
        local control = request.target:match "private" and "private" or "max-age=60"
        local fields = 'ETag: "one"\r\nCache-Control: ' .. control .. "\r\n"
        if first and (not condition or condition == '"one"') then
          local part = BODY:sub(first + 1, last + 1)
          connection:send(("HTTP/1.1 206 Part\r\n%sContent-Range: bytes %d-%d/%d\r\n"
            .. "Content-Length: %d\r\n\r\n%s"):format(fields, first, last, #BODY, #part, part))
        else
          connection:send(("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n"):format(fields, #BODY))
          connection:send(BODY:sub(1, 10000))
          if request.target:find "slow" then connection:sleep(0.5) end
          connection:send(BODY:sub(10001))
        end
      end
    end)
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/whole/{rest*}" { upstream = "origin", plugins = { { "cache", ranges = "whole" } } }
      route "/small/{rest*}" { upstream = "origin", plugins = { { "cache", max_object = 1000 } } }
      route "/pass/{rest*}" { upstream = "origin", plugins = { { "cache", ranges = "pass" } } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  local function part(path, range, headers)
    headers = headers or {}
    headers.range = "bytes=" .. range
    return http.request(moongate.port, { path = path, headers = headers })
  end

  local function ranges_asked()
    local asked = {}
    for i, request in ipairs(origin:requests()) do asked[i] = request.headers.range or "all" end
    return asked
  end

  it("comes out of the whole, as soon as it is there", function()
    local slow = http.connect(moongate.port)
    slow:send(http.format { path = "/whole/slow" })
    assert.equal(200, slow:read_head().status)
    assert.equal(10000, #slow:receive(10000))
    local early = part("/whole/slow", "5-9")
    assert.equal(206, early.status)
    assert.equal("56789", early.body)
    assert.equal("bytes 5-9/20000", early.headers["content-range"])
    assert.equal(0, #origin:ended())
    assert.equal("0123", part("/whole/slow", "15000-15003").body)
    assert.equal(10000, #slow:receive(10000))
    slow:close()
    assert.same({ "all" }, ranges_asked())
  end)

  it("begins the whole for others", function()
    assert.equal("34", part("/whole/a", "3-4").body)
    assert.equal(BODY, http.request(moongate.port, { path = "/whole/a" }).body)
    assert.same({ "all" }, ranges_asked())
  end)

  it("is the whole when If-Range names another state", function()
    assert.equal(206, part("/whole/b", "0-1", { ["if-range"] = '"one"' }).status)
    local other = part("/whole/b", "0-1", { ["if-range"] = '"two"' })
    assert.equal(200, other.status)
    assert.equal(BODY, other.body)
    assert.same({ "all" }, ranges_asked())
  end)

  it("is asked for alone when the whole is not to be stored", function()
    for _, path in ipairs { "/small/a", "/whole/private" } do
      origin:forget()
      local answer = part(path, "3-4")
      assert.equal(206, answer.status)
      assert.equal("34", answer.body)
      assert.same({ "all", "bytes=3-4" }, ranges_asked())
      assert.equal("56", part(path, "5-6").body)
      assert.same({ "all", "bytes=3-4", "bytes=5-6" }, ranges_asked())
    end
  end)

  it("is asked for alone where the policy says so, and out of what is stored afterwards", function()
    assert.equal("34", part("/pass/a", "3-4").body)
    assert.equal(200, part("/pass/a", "3-4", { ["if-range"] = '"two"' }).status)
    assert.same({ "bytes=3-4", "bytes=3-4" }, ranges_asked())
    assert.equal(BODY, http.request(moongate.port, { path = "/pass/a" }).body)
    assert.equal("56", part("/pass/a", "5-6").body)
    assert.equal(3, #origin:requests())
  end)
end)
