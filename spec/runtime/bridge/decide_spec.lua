local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("decide", function()
  local upstream, moongate

  local function get(path, method, headers)
    return http.request(moongate.port, { path = path, method = method, headers = headers })
  end

  setup(function()
    upstream = peer.start()
    moongate = gateway.start { files = probe.files, config = ([==[
      listen "127.0.0.1:0"
      upstream "up" { "%s" }
      local function by(name, options)
        options = options or {}
        options[1], options.name = "probe", name
        return options
      end
      local function mark(text)
        return function(_, res) res.headers:add("x-mark", text) end
      end
      local function fails() error "secret reason" end
      local function proxied(signature, ...)
        route(signature) { upstream = "up", plugins = { ... } }
      end

      use { by("outer", {
        on_request = function(req) req.context.path = "outer" end,
        on_response = function(req, res)
          res.headers["x-outer"] = tostring(req.context.path) .. " " .. res.status
        end,
        on_log = function(req, res, moongate)
          moongate.log.info("logged %%s %%s %%s %%s", req.method or "none", req.path or "none",
            res and res.status or "none", req.route or "none")
        end,
      }) }

      proxied "/plain"
      proxied("/order",
        by("a", { on_request = function(req) req.context.path = req.context.path .. "a" end,
          on_response = mark "a" }),
        by("b", { on_request = function(req) req.context.path = req.context.path .. "b" end,
          on_response = mark "b" }))
      proxied("/reply",
        by("a", { on_request = function(_, m) return m.reply.text(418, "tea") end,
          on_response = mark "a" }),
        by("b", { on_request = fails, on_response = mark "b" }))
      proxied("/wrong-reply", by("a", { on_request = function() return {} end }))
      proxied("/false", by("a", { on_request = function() return false end }))
      proxied("/raise-request", by("a", { on_response = mark "a" }),
        by("b", { on_request = fails, on_response = mark "b" }))
      proxied("/raise-response", by("a", { on_response = mark "a" }),
        by("b", { on_response = fails }), by("c", { on_response = mark "c" }))
      proxied("/raise-twice", by("a", { on_response = fails }), by("b", { on_response = fails }))
      proxied("/raise-table", by("a", { on_request = function() error {} end }))
      proxied("/raise-chunk", by("a", { on_response_chunk = fails }))
      proxied("/raise-body", by("a", { on_response = mark "a" }),
        by("b", { on_response_body = fails }))
      proxied("/raise-log", by("a", { on_log = fails }),
        by("b", { on_log = function(_, _, m) m.log.info("b still logs") end }))
      proxied("/observer", { "observer", on_error = "continue", on_response = fails })
      proxied("/replace", by("a", { on_response = mark "a" }),
        by("b", { on_response = function(_, _, m) return m.reply.text(451, "no") end }),
        by("c", { on_response = mark "c" }))

      local function when_x(value)
        return function(req) return req.query.x == value end
      end
      route "/when" { upstream = "up", when = when_x "1", name = "one" }
      route "GET /when" { upstream = "up", when = when_x "2", name = "two" }
      route "/when-raises" { upstream = "up", when = fails }
      route "/when-param/{id}" { upstream = "up",
        when = function(req) return req.params.id == "1" end }
      proxied("/step-when",
        { "probe", when = when_x "1", on_request = function(req) req.headers["x-step"] = "ran" end,
          on_response = mark "ran" },
        { "probe", when = function(req) return req.headers["x-step"] end,
          on_response = mark "second" })
      proxied "POST /post"
    ]==]):format(upstream.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("forwards along a route without plugins of its own", function()
    local response = get "/plain"
    assert.same({ 200, "outer 200" }, { response.status, response.headers["x-outer"] })
  end)

  it("runs request in the order written and response in reverse", function()
    local response = get "/order"
    assert.equal("outerab 200", response.headers["x-outer"])
    assert.same({ "b", "a" }, response.headers["x-mark"])
  end)

  it("ends the request phase with a reply, which goes through all responses", function()
    local response = get "/reply"
    assert.same({ 418, "tea" }, { response.status, response.body })
    assert.same({ "b", "a" }, response.headers["x-mark"])
    assert.equal("outer 418", response.headers["x-outer"])
  end)

  it("never lets a request pass for what is no verdict", function()
    assert.equal(500, get("/wrong-reply").status)
    assert.equal(500, get("/false").status)
  end)

  it("makes a 500 of an error in the request phase, and responses still run", function()
    local response = get "/raise-request"
    assert.equal(500, response.status)
    assert.same({ "b", "a" }, response.headers["x-mark"])
    assert.equal("outer 500", response.headers["x-outer"])
    assert.is_nil(response.body:find("secret", 1, true))
  end)

  it("logs the traceback under the id that the client gets, with plugin and route", function()
    local id = json.decode(get("/raise-request").body).instance
    local line = moongate:wait_for_log("([^\n]*raised in its request phase[^\n]*" .. id .. ")")
    assert.is_truthy(line:find("secret reason", 1, true))
    assert.is_truthy(line:find("plugin probe", 1, true))
    assert.is_truthy(line:find("route /raise-request", 1, true))
    assert.is_truthy(line:find("stack traceback", 1, true))
  end)

  it("makes a 500 of an error in the response phase, without the plugin that raised", function()
    local response = get "/raise-response"
    assert.equal(500, response.status)
    assert.same({ "c", "a" }, response.headers["x-mark"])
    assert.equal("outer 500", response.headers["x-outer"])
  end)

  it("gets by with several plugins that raise", function()
    local response = get "/raise-twice"
    assert.same({ 500, "outer 500" }, { response.status, response.headers["x-outer"] })
  end)

  it("takes anything that is raised", function()
    assert.equal(500, get("/raise-table").status)
  end)

  it("cuts the answer off when a chunk raises after the head was sent", function()
    local connection = http.connect(moongate.port)
    connection:send "GET /raise-chunk HTTP/1.1\r\nHost: a\r\n\r\n"
    local bytes = connection:read_until_close()
    assert.matches("^HTTP/1.1 200", bytes)
    assert.is_nil(bytes:find("\r\n0\r\n\r\n", 1, true))
    connection:close()
  end)

  it("makes a 500 of an error in response_body, as the head was not sent", function()
    local response = get "/raise-body"
    assert.same({ 500, "a", "outer 500" },
      { response.status, response.headers["x-mark"], response.headers["x-outer"] })
  end)

  it("keeps errors of the log phase to itself, and other plugins log", function()
    assert.equal(200, get("/raise-log").status)
    moongate:wait_for_log "plugin probe raised: [^\n]*secret reason"
    moongate:wait_for_log "b still logs"
  end)

  it("goes on after an observer's error", function()
    local response = get "/observer"
    assert.same({ 200, "outer 200" }, { response.status, response.headers["x-outer"] })
  end)

  it("replaces the response by a reply, which plugins further out see", function()
    local response = get "/replace"
    assert.same({ 451, "no" }, { response.status, response.body })
    assert.same({ "a", "outer 451" }, { response.headers["x-mark"], response.headers["x-outer"] })
  end)

  it("asks predicates from the most specific route on", function()
    assert.equal(200, get("/when?x=1").status)
    assert.equal(200, get("/when?x=2").status)
    moongate:wait_for_log "logged GET /when 200 one"
    moongate:wait_for_log "logged GET /when 200 two"
    assert.equal(404, get("/when?x=3").status)
    assert.equal(405, get("/when?x=3", "PUT").status)
    assert.equal(200, get("/when-param/1").status)
    assert.equal(404, get("/when-param/2").status)
  end)

  it("does not let a request pass when a predicate raises", function()
    assert.equal(500, get("/when-raises").status)
  end)

  it("runs a plugin with `when` in all of its phases or in none", function()
    assert.same({ "second", "ran" }, get("/step-when?x=1").headers["x-mark"])
    assert.is_nil(get("/step-when?x=2").headers["x-mark"])
  end)

  it("runs the plugins of use for what matches no route", function()
    local response = get "/nowhere"
    assert.same({ 404, "outer 404" }, { response.status, response.headers["x-outer"] })
    moongate:wait_for_log "logged GET /nowhere 404 none"
    response = get("/post", "GET")
    assert.same({ 405, "POST", "outer 405" },
      { response.status, response.headers.allow, response.headers["x-outer"] })
  end)

  it("logs what could not be parsed, and does nothing else with it", function()
    local connection = http.connect(moongate.port)
    connection:send "GET / HTTP/1.1\r\n\r\n"
    local response = connection:read_response()
    assert.equal(400, response.status)
    assert.is_nil(response.headers["x-outer"])
    moongate:wait_for_log "logged [^\n]* 400 none"
    connection:close()
  end)

  it("serves on after all that", function()
    assert.equal(200, get("/plain").status)
  end)
end)
