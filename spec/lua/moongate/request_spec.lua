local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("request", function()
  local upstream, moongate

  -- What the route's function returned, as text.
  local function ask(path, options)
    options = options or {}
    options.path = path
    return http.request(moongate.port, options).body
  end

  -- The newest request that the upstream got, or the one before it.
  local function sent(before)
    local requests = upstream:requests()
    return requests[#requests - (before or 0)]
  end

  setup(function()
    upstream = peer.start()
    moongate = gateway.start { files = probe.files, config = ([==[
      listen "127.0.0.1:0"
      upstream "up" { "%s" }
      upstream "other" { "%s/" }
      local function says(signature, run)
        route(signature) { plugins = { { "answer", on_respond = function(req, moongate)
          local ok, value = pcall(run, req, moongate)
          return moongate.reply.text(200, tostring(value))
        end } } }
      end
      local function sends(signature, run)
        route(signature) { upstream = "up", plugins = { { "probe", on_request = run } } }
      end
      says("/facts/{id}/{rest*}", function(req)
        return table.concat({ req.method, req.path, req.target, req.host, req.authority, req.scheme,
          req.version, req.address, req.peer, req.route, req.params.id, req.params.rest }, " ")
      end)
      says("/none", function(req)
        return table.concat({ tostring(req.query_string), tostring(req.consumer), tostring(req.tls),
          tostring(req.params.x), tostring(req.query.x), tostring(req.cookies.x),
          tostring(req.trace_id), tostring(req.upstream), tostring(req.fault) }, " ")
      end)
      says("/query", function(req)
        local all = {}
        for _, name, value in req.query:each() do all[#all + 1] = name .. "=" .. value end
        return table.concat({ req.query_string, req.query.a, req.query["b c"],
          table.concat(all, ";"), #req.query:all "a", req.query:get "each" or "-" }, "|")
      end)
      says("/cookies", function(req)
        local all = {}
        for _, name, value in req.cookies:each() do all[#all + 1] = name .. "=" .. value end
        local none = tostring(req.cookies.none)
        return table.concat({ req.cookies.b, table.concat(all, ";"), none }, "|")
      end)
      says("/trace", function(req) return req.trace_id end)
      says("/id", function(req) return #req.id .. " " .. tostring(req.id == req.id) end)
      says("/set-id", function(req) req.id = "mine" return req.id end)
      says("/bad-id", function(req) req.id = "a b" end)
      says("/unknown", function(req) return req.nothing end)
      says("/assign", function(req) req.anything = 1 end)
      says("/assign-method", function(req) req.method = "PUT" end)
      says("/assign-param", function(req) req.params.x = 1 end)
      says("/context", function(req) req.context.a = 1 return req.context.a end)
      says("/body", function(req) return req:body() .. "," .. req:body() end)
      says("/json", function(req) return req:json().a[2] end)
      says("/bad-json", function(req)
        local value, reason = req:json()
        return tostring(value) .. " " .. type(reason)
      end)
      says("/small-body", function(req) return req:body(4) end)
      says("/length", function(req) return req.content_length end)
      says("/bad-path", function(req) req.path = "no" end)
      says("/bad-query", function(req) req.query_string = "a b" end)
      says("/bad-upstream", function(req) req.upstream = "nobody" end)
      sends("/path", function(req) req.path = "/b/../c%%2f" end)
      sends("/query-set", function(req)
        req.query.a, req.query.gone, req.query.new = "1 &=", nil, 5
      end)
      sends("/query-string", function(req) req.query_string = "x=1&y=%%20" end)
      sends("/query-none", function(req) req.query_string = nil end)
      sends("/set-body", function(req) req:set_body "changed" end)
      sends("/read-body", function(req) req:body() end)
      sends("/upstream", function(req) req.upstream = "other" end)
      local kept
      says("/keep", function(req) kept = req return "kept" end)
      says("/kept", function() return kept.path end)
      says("/kept-headers", function() return kept.headers end)
      says("/kept-set", function() kept.path = "/x" end)
      says("/kept-context", function() return kept.context end)
      says("/kept-consumer", function() return kept.consumer end)
      says("/kept-body", function() return kept:body() end)
      says("/leave", function(req)
        req.context.mine, req.consumer = req:body(), { name = "mine" }
        return "left"
      end)
      says("/left", function(req)
        return ("%%s %%s %%s"):format(next(req.context), req.consumer, req:body())
      end)
    ]==]):format(upstream.url, upstream.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("has the facts of what the client sent", function()
    assert.equal("POST /facts/a%20b/c/d /facts/a%20b/./c/d?x=1 example.com Example.com:81 http 1.1 "
      .. "127.0.0.1 127.0.0.1 /facts/{id}/{rest*} a b c/d",
      ask("/facts/a%20b/./c/d?x=1", { method = "POST", headers = { Host = "Example.com:81" } }))
  end)

  it("has nil for what is not there", function()
    assert.equal("nil nil nil nil nil nil nil nil nil", ask "/none")
  end)

  it("decodes the query", function()
    assert.equal("a=1%202&b+c=3&a=4&each=e&flag|1 2|3|a=1 2;b c=3;a=4;each=e;flag=|2|e",
      ask "/query?a=1%202&b+c=3&a=4&each=e&flag")
  end)

  it("takes cookies apart, of several fields too", function()
    assert.equal("x y|a=1;b=x y;c=3|nil",
      ask("/cookies", { headers = { { "Cookie", 'a=1; b="x y"' }, { "Cookie", "c=3" } } }))
  end)

  it("has the trace id of a valid traceparent alone", function()
    local id = "0af7651916cd43dd8448eb211c80319c"
    local parent = "00-" .. id .. "-b7ad6b7169203331-01"
    assert.equal(id, ask("/trace", { headers = { traceparent = parent } }))
    assert.equal("nil", ask("/trace", { headers = { traceparent = "00-zz-b7ad6b7169203331-01" } }))
  end)

  it("makes an id of 32 digits, the same all the time", function()
    assert.equal("32 true", ask "/id")
  end)

  it("takes another id, if it is printable", function()
    assert.equal("mine", ask "/set-id")
    assert.matches("is not a request id", ask "/bad-id")
  end)

  it("raises for what a request does not have", function()
    assert.matches('a request has no "nothing"', ask "/unknown")
    assert.matches('"anything" of a request cannot be set', ask "/assign")
    assert.matches('"method" of a request cannot be set', ask "/assign-method")
    assert.matches("x cannot be set", ask "/assign-param")
  end)

  it("has a context for plugins", function()
    assert.equal("1", ask "/context")
  end)

  it("has nothing of the one before it in its place", function()
    assert.equal("left", ask("/leave", { method = "POST", body = "old" }))
    assert.equal("nil nil new", ask("/left", { method = "POST", body = "new" }))
  end)

  it("waits for the body, once", function()
    assert.equal("hello,hello", ask("/body", { method = "POST", body = "hello" }))
    assert.equal(",", ask "/body")
  end)

  it("waits for a body that comes in pieces", function()
    local connection = http.connect(moongate.port)
    connection:send "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection:send "2\r\nab\r\n"
    connection:send "3\r\ncde\r\n"
    connection:send "0\r\n\r\n"
    assert.equal("abcde,abcde", connection:read_response("POST").body)
    connection:close()
  end)

  it("decodes JSON, and says when it is none", function()
    assert.equal("7", ask("/json", { method = "POST", body = '{"a":[1,7]}' }))
    assert.equal("nil string", ask("/bad-json", { method = "POST", body = "{" }))
  end)

  it("refuses a body beyond the limit with 413, whichever way it says its length", function()
    for _, headers in ipairs { {}, { ["Transfer-Encoding"] = "chunked" } } do
      local response = http.request(moongate.port,
        { method = "POST", path = "/small-body", body = "12345", headers = headers })
      assert.equal(413, response.status)
    end
    assert.equal("1234", ask("/small-body", { method = "POST", body = "1234" }))
  end)

  it("ends the wait when the client leaves", function()
    local connection = http.connect(moongate.port)
    connection:send "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
    connection:close()
    assert.equal("x,x", ask("/body", { method = "POST", body = "x" }))
  end)

  it("says the length of the body when the client did", function()
    assert.equal("3", ask("/length", { method = "POST", body = "abc" }))
    assert.equal("0", ask "/length")
  end)

  it("sends another path upstream, in the normal form", function()
    ask "/path?q=1"
    assert.equal("/c%2F?q=1", sent().target)
    assert.matches('"no" is not a path', ask "/bad-path")
  end)

  it("changes single query parameters, escaping them", function()
    ask "/query-set?b=2&a=0&gone=1&a=9"
    assert.equal("/query-set?b=2&a=1%20%26%3D&new=5", sent().target)
  end)

  it("replaces or removes the query", function()
    ask "/query-string?a=1"
    ask "/query-none?a=1"
    assert.equal("/query-string?x=1&y=%20", sent(1).target)
    assert.equal("/query-none", sent().target)
    assert.matches('"a b" is not a query', ask "/bad-query")
  end)

  it("sends another body upstream", function()
    ask("/set-body", { method = "POST", body = "first" })
    assert.equal("changed", sent().body)
  end)

  it("sends a body upstream that a plugin has read", function()
    ask("/read-body", { method = "POST", body = "first" })
    assert.equal("first", sent().body)
  end)

  it("goes to another upstream when told so", function()
    assert.equal(200, http.request(moongate.port, { path = "/upstream?here" }).status)
    assert.equal("/upstream?here", sent().target)
    assert.matches('there is no upstream "nobody"', ask "/bad-upstream")
  end)

  it("stops working when its exchange has ended", function()
    assert.equal("kept", ask "/keep")
    assert.matches("this request has already been answered", ask "/kept")
    assert.matches("this request has already been answered", ask "/kept-headers")
    assert.matches("this request has already been answered", ask "/kept-set")
    assert.matches("this request has already been answered", ask "/kept-context")
    assert.matches("this request has already been answered", ask "/kept-consumer")
    assert.matches("this request has already been answered", ask "/kept-body")
  end)
end)
