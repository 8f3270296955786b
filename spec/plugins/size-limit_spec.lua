local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("size-limit", function()
  local self, origin

  setup(function()
    origin = peer.start()
    self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      local function plain(path, options)
        options[1] = "size-limit"
        route(path) { upstream = "users", plugins = { options } }
      end
      plain("/body", { body = "1k" })
      plain("/wider", { body = "100m" })
      plain("/target", { target = 40 })
      plain("/headers", { headers = 200 })
      plain("/count", { header_count = 4 })
      plain("/length", { require_length = true })
    ]]):format(origin.url) }
  end)
  before_each(function() origin:forget() end)
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function post(path, bytes, headers)
    return http.request(self.port,
      { method = "POST", path = path, body = ("x"):rep(bytes), headers = headers })
  end

  it("admits a body up to the limit", function()
    assert.equal(200, post("/body", 1024).status)
    assert.equal(200, http.request(self.port, { path = "/body" }).status)
  end)

  it("refuses a larger one before any of it has been read", function()
    local connection = http.connect(self.port)
    connection:send "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n"
    local answer = connection:read_response()
    assert.equal(413, answer.status)
    assert.matches("request%-body%-too%-large", answer.body)
    connection:close()
    assert.equal(0, #origin:requests())
  end)

  it("counts a body without a length while it streams", function()
    local chunked = { ["transfer-encoding"] = "chunked" }
    assert.equal(200, post("/body", 1024, chunked).status)
    assert.equal(413, post("/body", 1025, chunked).status)
  end)

  it("does not raise the route's own limit", function()
    assert.equal(413, (function()
      local connection = http.connect(self.port)
      connection:send "POST /wider HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n"
      local answer = connection:read_response()
      connection:close()
      return answer.status
    end)())
  end)

  it("refuses a target, fields and their number beyond the limits", function()
    local function get(path, headers)
      return http.request(self.port, { path = path, headers = headers }).status
    end
    assert.equal(200, get("/target?" .. ("q"):rep(32)))
    assert.equal(414, get("/target?" .. ("q"):rep(33)))
    assert.equal(200, get("/headers", { ["x-long"] = ("v"):rep(50) }))
    assert.equal(431, get("/headers", { ["x-long"] = ("v"):rep(200) }))
    assert.equal(200, get("/count", { ["x-a"] = "1" }))
    assert.equal(431, get("/count", { ["x-a"] = "1", ["x-b"] = "1", ["x-c"] = "1", ["x-d"] = "1" }))
  end)

  it("refuses a body whose length is not told, where it is to", function()
    assert.equal(411, post("/length", 1, { ["transfer-encoding"] = "chunked" }).status)
    assert.equal(200, post("/length", 1).status)
    assert.equal(200, http.request(self.port, { path = "/length" }).status)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"size-limit"'] = "it limits nothing",
      ['"size-limit", body = "1 kilo"'] = "expected a size",
      ['"size-limit", target = 0'] = "target is 0; expected",
    }
  end)
end)
