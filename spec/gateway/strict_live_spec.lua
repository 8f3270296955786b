--- strict, live: what the strict reader refuses and passes, through a gateway that runs.

local gateway = require "spec.support.gateway"
local h1 = require "spec.support.h1"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local rows = require "spec.support.strict_rows"
local wait = require "spec.support.wait"

local SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

-- What a gateway in front of HTTP origins does not offer, whatever the message.
local function is_tunnel(row)
  return row.method == "CONNECT" or (row.request or ""):find "^CONNECT"
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

local function select_rows(list, kind)
  local chosen = {}
  for _, row in ipairs(list) do
    if row[kind] and not is_tunnel(row) then chosen[#chosen + 1] = row end
  end
  return chosen
end

describe("the strict door", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  for _, row in ipairs(select_rows(rows.refused, "request")) do
    it("answers once, closes and logs " .. row.name, function()
      local refusals = count(moongate:log(), "refused: ")
      local answer, how = http.exchange(moongate.port, row.request .. SMUGGLED)
      assert.equal("closed", how)
      assert.equal(1, count(answer, "HTTP/1%.1 %d%d%d "))
      assert.equal(row.status, tonumber(answer:match "^HTTP/1%.1 (%d%d%d) "))
      assert.is_truthy(answer:lower():find("\r\nconnection: close\r\n", 1, true))
      local found = wait.that(function()
        local log = moongate:log()
        return count(log, "refused: ") > refusals and log:match ".*refused: (%S+ at byte %d+)"
      end)
      -- Where it is depends on a gateway's own limit when there is too much of something.
      local offset = h1.read_request(row.request).offset
      if row.name:find "without end" then offset = math.min(offset, 1026) end
      assert.equal(offset, tonumber(found:match "%d+$"), found)
    end)
  end

  it("let none of them through", function()
    for _, request in ipairs(origin:requests()) do
      assert.is_nil(request.length, request.head)
      assert.is_truthy(request.headers["transfer-encoding"], request.head)
    end
  end)

  for _, row in ipairs(select_rows(rows.passed, "request")) do
    it("passes " .. row.name, function()
      local client = http.connect(moongate.port)
      client:send(row.request)
      local response = client:read_response()
      if row.request:find "^OPTIONS %*" then -- no route has this for its path
        assert.equal(404, response.status)
      else
        assert.equal(200, response.status)
        assert.equal(row.body or "", json.decode(response.body).body)
      end
      client:close()
    end)
  end
end)

describe("the strict back door", function()
  local origin, moongate
  local responses = {}
  for _, list in ipairs { rows.refused, rows.passed } do
    for _, row in ipairs(select_rows(list, "response")) do
      responses[#responses + 1] = row
      row.path = "/" .. #responses
    end
  end

  setup(function()
    origin = peer.start(function(connection)
      while true do
        local request = connection:read_request()
        if not request then return end
        local row = responses[tonumber(request.target:sub(2))]
        connection:send(row.response)
        if row.body and row.method ~= "HEAD" and not row.response:find "%-Length" then return end
      end
    end)
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin", timeout = { response = "5s", idle = "5s" } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(row)
    local client = http.connect(moongate.port)
    client:send(http.format { path = row.path, method = row.method })
    local ok, response = pcall(client.read_response, client, row.method)
    client:close()
    return ok, response
  end

  for _, row in ipairs(select_rows(rows.refused, "response")) do
    it("turns into a 502 " .. row.name, function()
      local ended = #origin:ended()
      local ok, response = ask(row)
      if row.in_body then
        assert.is_true(not ok or response.status == 502, "it was passed on")
      else
        assert.is_true(ok, response)
        assert.equal(502, response.status)
        assert.is_truthy(response.headers["proxy-status"]:find "^moongate; error=http_")
      end
      wait.that(function() return #origin:ended() > ended end, 20, "the connection to be closed")
    end)
  end

  for _, row in ipairs(select_rows(rows.passed, "response")) do
    local is_final = not row.response:find "^HTTP/1%.1 1"
    if is_final then it("passes " .. row.name, function()
      local ok, response = ask(row)
      assert.is_true(ok, response)
      assert.equal(tonumber(row.response:match "^HTTP/1%.%d ([2-5]%d%d)"), response.status)
      assert.equal(row.body or "", response.body)
    end) end
  end
end)
