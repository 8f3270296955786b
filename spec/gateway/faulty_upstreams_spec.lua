--- faulty_upstreams_spec: every fault of spec.support.upstream_faults, on routes of every kind, all
-- at the same time: no answer is mixed, taken for whole, kept, or followed by another.

local answers = require "spec.support.peer_answers"
local faults = require "spec.support.upstream_faults"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local wait = require "spec.support.wait"

-- Routes are /KIND/TIMEOUT/FAULT; only what needs it to be noticed has a short time-out, and all
-- else may take as long as a busy machine takes.
local CONFIG = [[
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  upstream "origin" { ORIGIN, failures = 100000, idle_connections = 256, retry_budget = 1 }
  local function collect(_, _, body) return body end
  local KINDS = {
    plain = { retries = 0 },
    retried = { retries = 2 },
    cached = { retries = 0, plugins = { { "cache" } } },
    collected = { retries = 0, plugins = { { "probe", on_response_body = collect } } },
    guarded = { retries = 0, breaker = { failures = 1, minimum = GUARDED, open = "60s" } },
  }
  local TIMEOUTS = { none = {}, response = { response = "200ms" }, idle = { idle = "200ms" } }
  for kind, options in pairs(KINDS) do
    for name, timeout in pairs(TIMEOUTS) do
      local own = { upstream = "origin", timeout = timeout, name = kind .. "-" .. name }
      for key, value in pairs(options) do own[key] = value end
      route("/" .. kind .. "/" .. name .. "/{rest*}")(own)
    end
  end
  route "/good/{rest*}" { upstream = "origin" }
  upstream "lonely" { ORIGIN }
  route "/lonely/{rest*}" { upstream = "lonely", retries = 0 }
  upstream "helped" { ORIGIN, FLAPPING, failures = 2, set_aside = "50ms", retry_budget = 1 }
  route "/helped/{rest*}" { upstream = "helped" }
  upstream "alone" { FLAPPING, failures = 100000,
    breaker = { failures = 0.3, minimum = 4, open = "50ms", probes = 2 } }
  route "/alone/{rest*}" { upstream = "alone", retries = 0 }
  for name, address in pairs { CONNECTING } do
    local is_plain = address:find "^http:" ~= nil
    upstream("only-" .. name) { address, failures = 100000, retry_budget = 1,
      tls = not is_plain and { verify = false } or nil }
    local timeout = name == "stalls" and { connect = "300ms" } or nil
    route("/only/" .. name .. "/{rest*}") { upstream = "only-" .. name, timeout = timeout }
    if is_plain then
      upstream("with-" .. name) { address, ORIGIN, failures = 100000, retry_budget = 1 }
      route("/with/" .. name .. "/{rest*}") { upstream = "with-" .. name }
    end
  end
]]

local BY_NAME = {}
for _, fault in ipairs(faults) do
  fault.slug = fault.name:gsub("%W+", "-")
  BY_NAME[fault.slug] = fault
end

-- The bytes of a fault, then its end; whoever asks again after it is written down.
local function commit(connection, fault, target)
  local bytes = faults.bytes(fault, faults.body(target))
  local slowly = fault.ends == "trickle" and 12 or 0
  connection:send(bytes:sub(1, #bytes - slowly))
  for byte in bytes:sub(#bytes - slowly + 1):gmatch "." do
    connection:sleep(0.02)
    if not connection:send(byte) then return end
  end
  if fault.ends == "reset" then return connection:reset() end
  if fault.ends == "close" then return end
  if connection:read_head() then connection:note("asked again after " .. target) end
end

local seen = {} -- in the origin's process: how often each was asked for

-- The fault that a request is for; of /retried/ only the first time.
local function fault_of(request)
  local what = request.method .. " " .. request.target
  seen[what] = (seen[what] or 0) + 1
  if seen[what] > 1 and request.target:find "^/retried/" then return nil end
  return BY_NAME[request.target:match "[^/]+$"]
end

-- Right answers, and the faults that targets name.
local function origin(connection)
  connection.stream.seconds = 600
  while true do
    local request = connection:read_head()
    if not request then return end
    local fault = fault_of(request)
    if not (fault and fault.unread) then connection:read_body(request) end
    if fault then return commit(connection, fault, request.target) end
    connection:answer(200, { ["Cache-Control"] = "max-age=60" }, faults.body(request.target))
    if request.target:find "^/lonely/" then
      connection:sleep(0.01)
      connection:send "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
      if not connection:read_head() then connection:note "hung up on" end
    end
  end
end

local count = 0

-- Eight right answers, then eight resets, and so on.
local function flapping(connection)
  while true do
    local request = connection:read_request()
    if not request then return end
    count = count + 1
    if math.floor(count / 8) % 2 == 1 then return connection:reset() end
    connection:answer(200, nil, faults.body(request.target))
  end
end

-- Whether chunks are whole, and what is in them.
local function unchunk(bytes)
  local parts = {}
  while true do
    local size, rest = bytes:match "^(%x+)\r\n(.*)$"
    size = tonumber(size or "", 16)
    if not size then return table.concat(parts), false end
    if size == 0 then return table.concat(parts), rest:find "^\r\n$" ~= nil
      or rest:find "^[^\r\n]+\r\n.-\r\n\r\n$" ~= nil end
    parts[#parts + 1] = rest:sub(1, size)
    if rest:sub(size + 1, size + 2) ~= "\r\n" then return table.concat(parts), false end
    bytes = rest:sub(size + 3)
  end
end

-- All that a client got, as it reads it: status, body, and whether that is whole.
local function read(bytes, method)
  while bytes:find "^HTTP/1.1 10[0-9]" and not bytes:find "^HTTP/1.1 101" do
    bytes = bytes:match "^.-\r\n\r\n(.*)$" or ""
  end
  local head, rest = bytes:match "^(.-\r\n)\r\n(.*)$"
  if not head then return { body = bytes, is_whole = false } end
  local status = tonumber(head:match "^HTTP/1.1 (%d%d%d)")
  local answer = { status = status, head = head:lower(), body = rest }
  local length = tonumber(answer.head:match "\r\ncontent%-length: (%d+)\r\n")
  if method == "HEAD" or status == 204 or status == 304 then
    answer.is_whole = rest == ""
  elseif answer.head:find("\r\ntransfer-encoding: chunked\r\n", 1, true) then
    answer.body, answer.is_whole = unchunk(rest)
  else
    answer.is_whole = length == #rest
  end
  return answer
end

-- What is wrong with an answer, to whom it should be `client`.
local CHECKS = {
  cut = function(answer)
    return answer.status == 200 and not answer.is_whole
  end,
  whole = function(answer, path)
    return answer.status == 200 and answer.is_whole and answer.body == faults.body(path)
  end,
  own = function(answer) return answer.is_whole and answer.body == "" end,
  problem = function(answer)
    return (answer.status == 502 or answer.status == 504) and answer.is_whole
      and answer.body:find("urn:moongate:problem:upstream-", 1, true)
  end,
}

local function assert_answer(one, client)
  local answer = one.answer
  local is_right = CHECKS[CHECKS[client] and client or "problem"](answer, one.path)
    and (CHECKS[client] or answer.status == client)
  if is_right then return end
  error(("%s %s, expected %s: %s, %s, %q"):format(one.method, one.path, client, answer.status,
    answer.is_whole and "whole" or "cut", answer.body:sub(1, 200)), 2)
end

describe("an upstream that does wrong", function()
  local upstream, self, worker

  local function config_of(connecting)
    local guarded = 0
    for _, fault in ipairs(faults) do
      if type(fault.client) == "number" and not fault.timeout then guarded = guarded + 1 end
    end
    local list = {}
    for name, address in pairs(connecting) do
      list[#list + 1] = ("[%q] = %q"):format(name, address)
    end
    return (CONFIG:gsub("%u%u%u%u%u+", {
      ORIGIN = ("%q"):format(upstream.url), GUARDED = tostring(guarded),
      FLAPPING = ("%q"):format(peer.start(flapping).url), CONNECTING = table.concat(list, ", "),
    }))
  end

  setup(function()
    upstream = peer.start(origin)
    local silent = peer.start(answers.silent)
    local closing = peer.start(function() end)
    self = gateway.start { files = probe.files, config = config_of {
      refuses = "http://127.0.0.1:" .. peer.refusing(),
      resets = peer.start(answers.resetting).url, closes = closing.url,
      stalls = "https" .. silent.url:sub(5), ["closes-handshake"] = "https" .. closing.url:sub(5),
      ["speaks-plainly"] = "https"
        .. peer.start(answers.unasked "HTTP/1.1 400 Bad Request\r\n\r\n").url:sub(5),
    } }
    worker = self:worker_pids()[1]
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- Whatever happened before, others get what they ask for.
  after_each(function()
    local clients = {}
    for i = 1, 20 do clients[i] = http.connect(self.port) end
    for i, client in ipairs(clients) do client:send(http.format { path = "/good/" .. i }) end
    for i, client in ipairs(clients) do
      assert.equal(faults.body("/good/" .. i), client:read_response().body)
      client:close()
    end
    assert.equal(worker, self:worker_pids()[1], "the worker died")
  end)

  local function send(fault, kind, method)
    local client = http.connect(self.port)
    local path = ("/%s/%s/%s"):format(kind, fault.timeout or "none", fault.slug)
    method = fault.method or method
    local headers = { Connection = "close" }
    if fault.unread then headers["Content-Length"] = 1000 end -- of which ten bytes come
    client:send(http.format { method = method, path = path, headers = headers,
      body = method == "POST" and "0123456789" or nil })
    return { client = client, path = path, method = method, fault = fault }
  end

  -- All that comes. Who owes a part of its request is not hung up on at once.
  local function receive(one)
    if one.fault.unread then
      local answer = one.client:read_response()
      answer.is_whole = true
      return answer
    end
    local bytes, how = one.client:read_until_close()
    assert.are_not.equal("timeout", how, one.path)
    return read(bytes, one.method)
  end

  -- Asks for all faults at once; `expected(fault)` is what the client is to get: nil asks not.
  local function ask_all(kind, method, expected)
    local asked = {}
    for _, fault in ipairs(faults) do
      if expected(fault) then asked[#asked + 1] = send(fault, kind, method) end
    end
    for _, one in ipairs(asked) do
      one.answer = receive(one)
      one.client:close()
      assert_answer(one, expected(one.fault))
    end
    return asked
  end

  local function get(path) return http.request(self.port, { path = path }) end

  it("costs its own request alone, and the connection", function()
    ask_all("plain", "GET", function(fault) return fault.client end)
  end)

  it("is asked once more where a request may be sent twice, and not once part of an answer came",
    function()
      ask_all("retried", "GET", function(fault) return fault.again and "whole" or fault.client end)
      ask_all("retried", "POST", function(fault) return not fault.method and fault.client end)
      for _, request in ipairs(upstream:requests()) do
        local fault = request.target:find "^/retried/" and BY_NAME[request.target:match "[^/]+$"]
        if fault then
          local what = request.method .. " " .. fault.slug
          seen[what] = (seen[what] or 0) + 1
          local most = request.method == "GET" and fault.again and 2 or 1
          assert.is_true(seen[what] <= most, what)
        end
      end
    end)

  it("has no half of its answer kept, or shown to a policy that reads all of it", function()
    for _ = 1, 2 do
      for _, one in ipairs(ask_all("cached", "GET", function(fault) return fault.client end)) do
        if one.fault.client == "cut" then assert.is_nil(one.answer.head:find(";hit", 1, true)) end
      end
    end
    ask_all("collected", "GET", function(fault)
      return fault.client == "cut" and "problem" or fault.client
    end)
  end)

  it("is what a breaker opens for, whatever it does instead of an answer", function()
    ask_all("guarded", "GET", function(fault)
      return type(fault.client) == "number" and not fault.timeout and fault.client or nil
    end)
    assert.matches("circuit%-open", get("/guarded/none/one-more").body)
  end)

  for name, status in pairs { refuses = 502, resets = 502, closes = 502, stalls = 504,
                              ["closes-handshake"] = 502, ["speaks-plainly"] = 502 } do
    it("while it is connected to: " .. name, function()
      assert.equal(status, get("/only/" .. name .. "/").status)
      if status == 504 or name:find "%-" then return end
      for i = 1, 8 do
        local path = ("/with/%s/%d"):format(name, i)
        assert.equal(faults.body(path), get(path).body)
      end
    end)
  end

  it("answers nobody on a connection that is kept", function()
    for i = 1, 4 do
      local path = "/lonely/" .. i
      assert.equal(faults.body(path), get(path).body)
      wait.that(function()
        local notes = 0
        for _, note in ipairs(upstream:notes()) do
          assert.equal("hung up on", note)
          notes = notes + 1
        end
        return notes == i
      end)
    end
  end)

  it("comes and goes: others stand in", function()
    for i = 1, 100 do
      local path = "/helped/" .. i
      assert.equal(faults.body(path), get(path).body)
    end
  end)

  it("comes and goes: a breaker opens, and closes again", function()
    local kinds, asked, last, wrong = {}, 0, nil, nil
    wait.that(function()
      -- One right after the other: it is open for 50 ms.
      for _ = 1, 4 do
        local path = "/alone/" .. asked
        local answer = get(path)
        kinds[answer.status], asked, last = true, asked + 1, answer.status
        if last == 200 and faults.body(path) ~= answer.body then wrong = answer.body end
      end
      for _, row in ipairs(json.decode(http.request(self.admin_port,
        { path = "/breakers" }).body).breakers) do
        if row.name == "upstream:alone" and row.opened >= 3 and last == 200 then
          return row.state == "closed" and kinds[503]
        end
      end
    end)
    assert.is_nil(wrong)
    assert.same({ [200] = true, [502] = true, [503] = true }, kinds)
  end)

  it("leaves nothing under way, and no connection that is used again", function()
    for _, note in ipairs(upstream:notes()) do assert.equal("hung up on", note) end
    local function value(text, pattern)
      local sum = 0
      for number in text:gmatch(pattern) do sum = sum + tonumber(number) end
      return sum
    end
    wait.that(function()
      local text = http.request(self.admin_port, { path = "/metrics" }).body
      return value(text, "\nmoongate_requests_active (%d+)") == 1 -- this one
        and value(text, "\nmoongate_target_requests_active{[^\n]*} (%d+)") == 0
    end, 20, "requests to end")
  end)
end)
