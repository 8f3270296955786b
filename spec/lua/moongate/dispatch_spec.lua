local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("dispatch", function()
  local moongate, upstream

  local function get(path) return http.request(moongate.port, { path = path }) end

  setup(function()
    upstream = peer.start()
    moongate = gateway.start {
      config = ([==[
        listen "127.0.0.1:0"
        upstream "up" { "%s" }
        local function fails() error "on purpose" end
        route "/no-reply" { plugins = { { "answer", on_respond = function() end } } }
        route "/wrong-reply" { plugins = { { "answer", on_respond = function() return {} end } } }
        route "/request-reply" { upstream = "up",
          plugins = { { "probe", on_request = function() return "text" end } } }
        route "/response-raises" { upstream = "up",
          plugins = { { "probe", on_response = fails } } }
        route "/body-raises" { upstream = "up",
          plugins = { { "probe", on_response_body = fails } } }
        route "/log-raises" { upstream = "up", plugins = { { "probe", on_log = fails } } }
        route "/when" { upstream = "up", when = fails }
        route "/choice" { when = function(req) return req.query.a == "1" end, name = "one",
          priority = 2, plugins = { { "answer", on_respond = function(req, m)
            return m.reply.text(200, "one") end } } }
        route "/choice" { name = "any", priority = 1,
          plugins = { { "answer", on_respond = function(req, m)
            return m.reply.text(200, "any") end } } }
        route "/no-transform" { upstream = "up", plugins = { { "probe",
          on_response = function(req, res) res.headers["cache-control"] = "No-Transform" end,
          on_response_body = function() return "changed" end } } }
        route "/bytes/{n}" { upstream = "up", plugins = { { "probe",
          on_response_body = function(req, res, body) return body .. "!" end } } }
        route "/started" { plugins = { "ordered" } }
        route "/leave" { plugins = { "leaving" } }
      ]==]):format(upstream.url),
      files = (function()
        local files = { ["plugins/ordered.lua"] = [[
          local moongate = require "moongate"
          local ordered = { summary = "Knows when it is started.", options = {} }
          local said = "not started"
          function ordered:start() said = "started" end
          function ordered:stop() moongate.log.info "the plugin stops" end
          function ordered:respond() return moongate.reply.text(200, said) end
          return ordered
        ]] }
        files["plugins/leaving.lua"] = [[
          local moongate = require "moongate"
          local contexts = setmetatable({}, { __mode = "k" })
          return {
            summary = "Counts what earlier requests left, then leaves something itself.",
            options = {},
            respond = function(_, req)
              collectgarbage()
              local left = 0
              for _ in pairs(contexts) do left = left + 1 end
              contexts[req.context] = true
              if req.query.at_once then moongate.sleep(0.05) end
              return moongate.reply.text(200, ("%d"):format(left))
            end,
          }
        ]]
        for name, text in pairs(probe.files) do files[name] = text end
        return files
      end)(),
    }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("takes nothing but a reply for an answer", function()
    assert.equal(500, get("/no-reply").status)
    moongate:wait_for_log "returned no reply"
    assert.equal(500, get("/wrong-reply").status)
    assert.equal(500, get("/request-reply").status)
    moongate:wait_for_log "returned what is no reply"
  end)

  it("names the plugin that raised, and gives nothing of it away", function()
    for _, path in ipairs { "/response-raises", "/body-raises" } do
      local response = get(path)
      assert.equal(500, response.status)
      assert.is_nil(response.body:find "on purpose")
    end
    moongate:wait_for_log "probe[^\n]*on purpose"
    assert.equal(200, get("/log-raises").status)
  end)

  it("keeps nothing of requests that have ended", function()
    local clients = { http.connect(moongate.port), http.connect(moongate.port) }
    for _, client in ipairs(clients) do client:send(http.format { path = "/leave?at_once=1" }) end
    for _, client in ipairs(clients) do assert.equal(200, client:read_response().status) end
    assert.equal("0", get("/leave").body)
  end)

  it("counts a predicate that raises as an error of the route", function()
    assert.equal(500, get("/when").status)
    moongate:wait_for_log "a route's when[^\n]*"
  end)

  it("asks the routes' predicates in order", function()
    assert.equal("one", get("/choice?a=1").body)
    assert.equal("any", get("/choice?a=2").body)
  end)

  it("changes bodies, but not those that may not be", function()
    assert.equal("012!", get("/bytes/3").body)
    assert.are_not.equal("changed", get("/no-transform").body)
  end)

  it("starts plugins before the first request", function()
    assert.equal("started", get("/started").body)
  end)
end)
