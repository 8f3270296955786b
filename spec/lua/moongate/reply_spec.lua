local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local probe = require "spec.support.probe"

describe("reply", function()
  local moongate

  local function get(path, headers, method)
    return http.request(moongate.port, { path = path, headers = headers, method = method })
  end

  setup(function()
    moongate = gateway.start { files = probe.files, config = [==[
      listen "127.0.0.1:0"
      local function gives(signature, make)
        route(signature) { plugins = { { "answer", on_respond = function(req, moongate)
          local ok, value = pcall(make, moongate.reply, moongate)
          return ok and value or moongate.reply.text(200, value)
        end } } }
      end
      gives("/new", function(reply)
        return reply.new(299, "body", { ["X-A"] = { "1", "2" }, b = 3 })
      end)
      gives("/empty", function(reply) return reply.new(204) end)
      gives("/text", function(reply) return reply.text(200, "t") end)
      gives("/html", function(reply)
        return reply.html(200, "<p>", { ["Content-Type"] = "text/x" })
      end)
      gives("/json", function(reply, m)
        return reply.json(200, { a = m.json.array {}, b = "/" })
      end)
      gives("/redirect", function(reply) return reply.redirect "/there" end)
      gives("/redirect-308", function(reply) return reply.redirect("/there", 308) end)
      gives("/problem", function(reply)
        return reply.problem(429, "too-many", "Slow down.", { ["retry-after"] = 5 }, { limit = 10 })
      end)
      gives("/bad-status", function(reply) return reply.new(100) end)
      gives("/bad-header", function(reply) return reply.text(200, "", { a = "x\ny" }) end)
      gives("/bad-name", function(reply) return reply.text(200, "", { ["a b"] = "x" }) end)
      gives("/bad-length", function(reply)
        return reply.text(200, "", { ["content-length"] = "1" })
      end)
      gives("/bad-json", function(reply) return reply.json(200, function() end) end)
      gives("/with-body", function(reply)
        local first = reply.new(299, "one", { a = "x" })
        local other = reply.with_body(first, "two")
        return first.body == "one" and other
      end)
      gives("/is", function(reply)
        return reply.text(200, tostring(reply.is(reply.new(200))) .. tostring(reply.is {}))
      end)
      local function a_table() return { status = 200 } end
      route "/table" { plugins = { { "answer", on_respond = a_table } } }
      route "/nothing" { plugins = { { "answer", on_respond = function() end } } }
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("has a status, fields and a body", function()
    local response = get "/new"
    assert.same({ 299, "body", { "1", "2" }, "3" },
      { response.status, response.body, response.headers["x-a"], response.headers.b })
    response = get "/with-body"
    assert.same({ 299, "two", "x" }, { response.status, response.body, response.headers.a })
    response = get "/empty"
    assert.same({ 204, "" }, { response.status, response.body })
  end)

  it("knows the types of text, HTML and JSON, unless told another", function()
    assert.equal("text/plain; charset=utf-8", get("/text").headers["content-type"])
    assert.equal("text/x", get("/html").headers["content-type"])
    local response = get "/json"
    assert.equal("application/json", response.headers["content-type"])
    assert.equal("/", json.decode(response.body).b)
    assert.is_truthy(response.body:find('"a":[]', 1, true))
  end)

  it("redirects", function()
    local response = get "/redirect"
    assert.same({ 302, "/there" }, { response.status, response.headers.location })
    assert.equal(308, get("/redirect-308").status)
  end)

  it("makes problem documents with the request id", function()
    local response = get "/problem"
    local problem = json.decode(response.body)
    assert.same({ 429, "5", "application/problem+json" },
      { response.status, response.headers["retry-after"], response.headers["content-type"] })
    assert.matches("too%-many$", problem.type)
    assert.same({ 429, "Too Many Requests", "Slow down.", 10, 32 },
      { problem.status, problem.title, problem.detail, problem.limit, #problem.instance })
  end)

  it("makes HTML of a problem where Accept prefers it", function()
    local response = get("/problem", { Accept = "text/html" })
    assert.matches("^text/html", response.headers["content-type"])
    assert.is_truthy(response.body:find("Slow down.", 1, true))
  end)

  it("has no body for HEAD, but its length", function()
    local response = get("/text", nil, "HEAD")
    assert.same({ 200, "", "1" },
      { response.status, response.body, response.headers["content-length"] })
  end)

  it("cannot be made of what no answer may have", function()
    assert.matches("100 is not the status of a final answer", get("/bad-status").body)
    assert.matches('header "a" has a value that no field may have', get("/bad-header").body)
    assert.matches('header "a b" is not a field name', get("/bad-name").body)
    assert.matches('"content%-length" is written by the gateway itself', get("/bad-length").body)
    assert.matches("not a value that JSON can say", get("/bad-json").body)
  end)

  it("knows itself", function()
    assert.equal("truefalse", get("/is").body)
  end)

  it("is all that an endpoint may return", function()
    assert.equal(500, get("/table").status)
    assert.equal(500, get("/nothing").status)
    moongate:wait_for_log "returned what is no reply"
    moongate:wait_for_log "returned no reply"
  end)
end)
