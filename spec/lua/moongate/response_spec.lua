local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("response", function()
  local upstream, moongate

  local function get(path, method)
    return http.request(moongate.port, { path = path, method = method })
  end

  setup(function()
    upstream = peer.start "HTTP/1.1 201 Made\r\nContent-Length: 5\r\nX-Up: 1\r\n\r\nhello"
    moongate = gateway.start { files = probe.files, config = ([==[
      listen "127.0.0.1:0"
      upstream "up" { "%s" }
      local function says(signature, run)
        local function tell(req, res)
          local _, value = pcall(run, req, res)
          res.headers["x-says"] = tostring(value):sub(1, 200):gsub("%%s", " "):gsub(" $", "")
        end
        route(signature) { upstream = "up", plugins = { { "probe", on_response = tell } } }
      end
      local function steps(signature, options)
        options[1] = "probe"
        route(signature) { upstream = "up", plugins = { options } }
      end
      says("/facts", function(req, res)
        return table.concat({ res.status, res.reason, res.content_length,
          tostring(res.from_gateway), res.headers["x-up"], tostring(res.headers.none) }, " ")
      end)
      says("/status", function(req, res) res.status = 404 return res.reason end)
      says("/reason", function(req, res) res.reason = "So So" return res.reason end)
      says("/bad-status", function(req, res) res.status = 101 end)
      says("/no-body", function(req, res) res.status = 204 end)
      says("/unknown", function(req, res) return res.nothing end)
      says("/assign", function(req, res) res.anything = 1 end)
      says("/body", function(req, res) return res:body() .. res:body() end)
      says("/small", function(req, res) return res:body(4) end)
      says("/from", function(req, res) return req:body() end)
      says("/timing", function(req, res)
        return req.timing.total >= 0 and req.attempt.target .. " " .. req.attempt.attempts
      end)
      steps("/upper", { on_response_body = function(_, _, body) return body:upper() .. "!" end })
      steps("/same", { on_response_body = function(req, res, body) end })
      steps("/limited", { body_limit = 4, on_response_body = function(_, _, body) return body end })
      steps("/wrong", { on_response_body = function(req, res, body) return 1 end })
      steps("/chunks", { on_response_chunk = function(req, res, chunk, last)
        return last and "[end]" or chunk:upper()
      end })
      steps("/chunks-same", { on_response_chunk = function() end })
    ]==]):format(upstream.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("has the facts of what the upstream answered", function()
    assert.equal("201 Made 5 false 1 nil", get("/facts").headers["x-says"])
  end)

  it("takes another status, with its reason, or another reason", function()
    local response = get "/status"
    assert.same({ 404, "Not Found" }, { response.status, response.reason })
    response = get "/reason"
    assert.same({ 201, "So So" }, { response.status, response.reason })
  end)

  it("refuses a status that would change how the answer is framed", function()
    assert.matches("101 is not the status of a final answer", get("/bad-status").headers["x-says"])
    local response = get "/no-body"
    assert.matches("204 is not the status", response.headers["x-says"])
    assert.same({ 201, "hello" }, { response.status, response.body })
  end)

  it("raises for what a response does not have", function()
    assert.matches('a response has no "nothing"', get("/unknown").headers["x-says"])
    assert.matches('"anything" of a response cannot be set', get("/assign").headers["x-says"])
  end)

  it("waits for the body, and still sends it", function()
    local response = get "/body"
    assert.same({ "hellohello", "hello" }, { response.headers["x-says"], response.body })
  end)

  it("makes a 502 of a body beyond the limit", function()
    assert.equal(502, get("/small").status)
  end)

  it("cannot read the request's body any more", function()
    assert.matches("only in the request phase", get("/from").headers["x-says"])
  end)

  it("knows how the attempt upstream went", function()
    assert.equal(upstream.address .. " 1", get("/timing").headers["x-says"])
  end)

  it("gives the whole body to response_body, and sends what it returns", function()
    local response = get "/upper"
    assert.same({ "HELLO!", "6" }, { response.body, response.headers["content-length"] })
    assert.equal("hello", get("/same").body)
  end)

  it("does not ask response_body about an answer without one", function()
    local response = get("/upper", "HEAD")
    assert.same({ 201, "" }, { response.status, response.body })
  end)

  it("makes a 502 of a body beyond response_body's limit", function()
    assert.equal(502, get("/limited").status)
  end)

  it("makes a 500 of a response_body that returns what is no body", function()
    assert.equal(500, get("/wrong").status)
  end)

  it("gives the body in pieces to response_chunk", function()
    assert.equal("HELLO[end]", get("/chunks").body)
    assert.equal("hello", get("/chunks-same").body)
  end)
end)
