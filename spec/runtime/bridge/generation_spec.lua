local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local system = require "spec.support.system"

describe("generation", function()
  local function body_of(moongate, path)
    return http.request(moongate.port, { path = path }).body
  end

  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- What `run` says about a configuration that it refuses.
  local function refusal(config, files)
    local all = {}
    for name, text in pairs(probe.files) do all[name] = text end
    for name, text in pairs(files or {}) do all[name] = text end
    local code, _, err = gateway.run({ "run" }, { config = config, files = all })
    assert.equal(1, code)
    return err
  end

  it("tells all errors at once, each with its place", function()
    local err = refusal [[
listen { "127.0.0.1:0", tls = { cert = "missing.pem", key = "missing.pem" } }
upstream "up" { { "https://127.0.0.1:1" }, tls = { ca = "missing.pem" } }
route "/a" { upstream = "up" }
route "/a" { upstream = "up", name = "second" }
]]
    assert.matches("gateway.lua:1: [^\n]*missing.pem", err)
    assert.matches("gateway.lua:2: [^\n]*missing.pem", err)
    assert.matches('gateway.lua:4: [^\n]*second[^\n]*cannot be told apart[^\n]*gateway.lua:3', err)
  end)

  it("refuses a certificate that does not belong to its key", function()
    local directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    local one, other = authority:issue { name = "a" }, authority:issue { name = "b" }
    local err = refusal(('listen { "127.0.0.1:0", tls = { cert = %q, key = %q } }\nroute "/" '
      .. '{ upstream = "http://127.0.0.1:1" }'):format(one.certificate, other.key))
    process.remove(directory)
    assert.matches("gateway.lua:1: [^\n]*key", err)
  end)

  it("takes certificates and keys as texts, which it does not repeat", function()
    local directory = system.temporary_directory()
    local pair = certificates.authority(directory, "authority"):issue { name = "localhost" }
    local certificate, key = system.read_file(pair.certificate), system.read_file(pair.key)
    process.remove(directory)
    local config = 'listen { "127.0.0.1:0", tls = { cert = %q, key = %q } }\nroute "/" '
      .. '{ upstream = "http://127.0.0.1:1" }'
    assert.equal(0, (gateway.run({ "check" }, { config = config:format(certificate, key) })))
    local _, _, err = gateway.run({ "check" }, { config = config:format(key, key) })
    assert.matches("gateway.lua:%d+: listen 127.0.0.1:0: the PEM text: not a certificate in PEM",
      err)
    assert.is_nil(err:find("BEGIN", 1, true))
  end)

  it("refuses plugins that raise while they are built", function()
    local err = refusal('listen "127.0.0.1:0"\nroute "/" { plugins = { "bad" } }', {
      ["plugins/bad.lua"] = [[
        local bad = { summary = "Bad.", options = {} }
        function bad.new() error "on purpose" end
        function bad:respond() end
        return bad
      ]],
    })
    assert.matches("gateway.lua:2: [^\n]*on purpose", err)
  end)

  it("refuses more conditions on a route than fit", function()
    local steps = ("{ 'probe', when = w, on_request = w },"):rep(32)
    local err = refusal('listen "127.0.0.1:0"\nupstream "u" { "http://127.0.0.1:1" }\n'
      .. 'local function w() end\nroute "/" { upstream = "u", plugins = { ' .. steps .. " } }")
    assert.matches("gateway.lua:4: [^\n]*32 plugins have a `when`", err)
  end)

  it("cannot wait while it is built, nor have an effect", function()
    local err = refusal('listen "127.0.0.1:0"\nroute "/" { plugins = { "waits" } }', {
      ["plugins/waits.lua"] = [[
        local waits = { summary = "Waits.", options = {} }
        function waits.new() require "moongate.core.body".request(0, 1, -1) end
        function waits:respond() end
        return waits
      ]],
    })
    assert.matches("works only in a request's or timer's own coroutine", err)
  end)

  it("starts and stops its plugins, each instance once", function()
    local moongate = gateway.start {
      config = [[
        listen "127.0.0.1:0"
        route "/a" { plugins = { { "life", name = "one" } } }
        route "/b" { plugins = { { "life", name = "one" } } }
        route "/c" { plugins = { { "life", name = "two" } } }
      ]],
      files = { ["plugins/life.lua"] = [[
        local moongate = require "moongate"
        local life = { summary = "Says when.", options = {
          name = { type = "string", help = "x" } } }
        function life:start() moongate.log.info("started %s", self.name) end
        function life:stop() moongate.log.info("stopped %s", self.name) end
        function life:respond() return moongate.reply.text(200, self.name) end
        return life
      ]] },
    }
    moongate:wait_for_log "started two"
    local log = moongate:log()
    assert.equal(2, select(2, log:gsub("started one", "")) + select(2, log:gsub("started two", "")))
    assert.equal("two", body_of(moongate, "/c"))
  end)

  it("does not serve when a plugin does not start", function()
    local err = refusal('listen "127.0.0.1:0"\nworkers(1)\nroute "/" { plugins = { "bad" } }', {
      ["plugins/bad.lua"] = [[
        local bad = { summary = "Bad.", options = {} }
        function bad:start() error "will not" end
        function bad:respond() end
        return bad
      ]],
    })
    assert.matches("raised when it was started: [^\n]*will not", err)
  end)

  it("finds the consumers that were declared", function()
    local moongate = gateway.start { files = probe.files, config = [[
      listen "127.0.0.1:0"
      consumer "anna" { keys = { "k1", "k2" }, groups = { "read" }, tags = { tier = "gold" } }
      consumer "bert" { keys = { "k3" } }
      route "/key/{key}" { plugins = { { "answer", on_respond = function(req, moongate)
        local consumer = moongate.consumers.by_key(req.params.key)
        if not consumer then return moongate.reply.text(200, "nobody") end
        req.consumer = consumer
        return moongate.reply.text(200, table.concat({ req.consumer.name,
          tostring(consumer.groups.read), tostring(consumer.tags.tier),
          tostring(consumer == moongate.consumers.by_name(consumer.name)),
          moongate.consumers.count() }, " "))
      end } } }
    ]] }
    assert.equal("anna true gold true 2", body_of(moongate, "/key/k2"))
    assert.equal("bert nil nil true 2", body_of(moongate, "/key/k3"))
    assert.equal("nobody", body_of(moongate, "/key/k4"))
  end)

  it("applies limits, timeouts and rewrites of routes", function()
    local upstream = peer.start()
    local moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "up" { "%s" }
      route "/small" { upstream = "up", body_limit = 3 }
      route "/in/{id}" { upstream = "up", rewrite = "/out/{id}/x" }
    ]]):format(upstream.url) }
    local response = http.request(moongate.port,
      { method = "POST", path = "/small", body = "1234" })
    assert.equal(413, response.status)
    body_of(moongate, "/in/7?q=1")
    local requests = upstream:requests()
    assert.equal("/out/7/x?q=1", requests[#requests].target)
  end)
end)
