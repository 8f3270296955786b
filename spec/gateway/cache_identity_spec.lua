--- cache_identity_spec: what was answered to one caller is not given to another.

local cache_origin = require "spec.support.cache_origin"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local jws = require "spec.support.jws"
local peer = require "spec.support.peer"

local SECRET = "a secret of at least 32 bytes, kept elsewhere"

describe("a cache behind plugins that find out who asks", function()
  local origin, moongate

  setup(function()
    origin = cache_origin.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      consumer "ada" { keys = { "ada-key" }, passwords = { "sesame" } }
      consumer "bob" { keys = { "bob-key" }, passwords = { "barley" } }
      route "/key/{rest*}" { upstream = "origin", plugins = { "key-auth", "cache" } }
      route "/basic/{rest*}" { upstream = "origin", plugins = { "basic-auth", "cache" } }
      route "/token/{rest*}" { upstream = "origin", plugins = {
        { "jwt", keys = { { secret = "%s" } }, hide = true }, "cache" } }
      route "/hidden/{rest*}" { upstream = "origin", plugins = {
        { "transform", remove_headers = { "authorization" } }, "cache" } }
      route "/guests/{rest*}" { upstream = "origin", plugins = {
        { "key-auth", anonymous = "bob" }, "cache" } }
    ]]):format(origin.url, SECRET) }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  local function get(path, headers)
    return http.request(moongate.port, { path = path, headers = headers })
  end

  local function token(subject)
    local signer = jws.signer("HS256", { secret = SECRET })
    return "Bearer " .. signer:token { sub = subject, exp = os.time() + 60 }
  end

  local function by_kind()
    return {
      key = { { ["x-api-key"] = "ada-key" }, { ["x-api-key"] = "bob-key" } },
      basic = { { authorization = "Basic YWRhOnNlc2FtZQ==" },
        { authorization = "Basic Ym9iOmJhcmxleQ==" } },
      token = { { authorization = token "ada" }, { authorization = token "bob" } },
      hidden = { { authorization = "Bearer ada" }, { authorization = "Bearer bob" } },
      guests = { { ["x-api-key"] = "ada-key" }, {} },
    }
  end

  it("stores nothing that says nothing of it (RFC 9111, 3.5)", function()
    for kind, callers in pairs(by_kind()) do
      local path = "/" .. kind .. "/own?Cache-Control=max-age=60"
      local first, second = get(path, callers[1]), get(path, callers[2])
      assert.equal(200, first.status, kind)
      assert.equal(200, second.status, kind)
      assert.not_equal(first.body, second.body, kind)
    end
  end)

  it("stores what says that it is for all", function()
    for kind, callers in pairs(by_kind()) do
      local path = "/" .. kind .. "/all?Cache-Control=public,max-age=60"
      assert.equal(get(path, callers[1]).body, get(path, callers[2]).body, kind)
    end
  end)
end)
