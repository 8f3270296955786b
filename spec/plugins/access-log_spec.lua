--- access-log: what a line says, and that nobody can make it say something else.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local function lines_of(path)
  local lines = {}
  for one in (system.read_file(path) or ""):gmatch "([^\n]*)\n" do lines[#lines + 1] = one end
  return lines
end

-- The lines, once there are that many.
local function wait_for_lines(path, count)
  return wait.that(function()
    local lines = lines_of(path)
    return #lines >= count and lines
  end, nil, ("%d lines in %s"):format(count, path))
end

local CONFIG = [[
  listen "127.0.0.1:0"
  upstream "users" { "%s" }
  consumer "mobile app" { keys = { "k1" } }
  use { { "access-log", format = %s, path = %s, query = %s } }
  route "/keyed/{rest*}" { upstream = "users", rewrite = "/bytes/3",
    plugins = { { "key-auth" } } }
  route "/gone" { upstream = "http://127.0.0.1:1", retries = 0 }
  route "/{rest*}" { upstream = "users" }
]]

describe("access-log", function()
  local upstream

  setup(function() upstream = peer.start() end)
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)
  after_each(function() gateway.stop_all() end)

  -- A gateway that logs into a file beside its configuration.
  local function start(format, query)
    local directory = system.temporary_directory()
    local moongate = gateway.start {
      config = CONFIG:format(upstream.url, ("%q"):format(format),
        ("%q"):format(directory .. "/access.log"), tostring(query ~= false)),
    }
    return moongate, directory .. "/access.log"
  end

  it("writes JSON with all that happened", function()
    local moongate, log = start "json"
    http.request(moongate.port, { path = "/keyed/a%20b?x=1&y", method = "POST", body = "12345",
      headers = { ["x-api-key"] = "k1", ["user-agent"] = "spec/1", referer = "http://r/?q",
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } })
    local entry = json.decode(wait_for_lines(log, 1)[1])
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", entry.time)
    assert.matches("^%x+$", entry.id)
    assert.is_true(entry.duration >= 0 and entry.duration < 20)
    for name, value in pairs {
      method = "POST", path = "/keyed/a%20b", query = "x=1&y", status = 200,
      bytes = 3, bytes_in = 5,
      route = "/keyed/{rest*}", consumer = "mobile app", address = "127.0.0.1", host = "localhost",
      scheme = "http", version = "HTTP/1.1", upstream = "users",
      upstream_target = upstream.address, upstream_attempts = 1, user_agent = "spec/1",
      referer = "http://r/?q", trace_id = "0af7651916cd43dd8448eb211c80319c",
    } do
      assert.equal(value, entry[name], name)
    end
    assert.is_nil(entry.fault)
    assert.is_nil(entry.aborted)
  end)

  it("tells of faults, of answers without a route, and of what it could not read", function()
    local moongate, log = start "json"
    http.request(moongate.port, { path = "/gone" })
    http.request(moongate.port, { path = "/keyed/x" })
    http.exchange(moongate.port, "GET / HTTP/1.1\r\nHost : x\r\n\r\n")
    local lines = wait_for_lines(log, 3)
    local gone, keyed, unread = json.decode(lines[1]), json.decode(lines[2]), json.decode(lines[3])
    assert.equal(502, gone.status)
    assert.equal("upstream-refused", gone.fault)
    assert.equal("upstream-refused", gone.upstream_fault)
    assert.equal(1, gone.upstream_attempts)
    assert.equal(401, keyed.status)
    assert.is_nil(keyed.upstream_target)
    assert.equal(400, unread.status)
    assert.is_nil(unread.method)
    assert.equal("127.0.0.1", unread.address)
    assert.is_string(unread.time)
    assert.is_not.matches("^1970", unread.time)
  end)

  it("writes JSON whatever bytes come", function()
    local moongate, log = start "json"
    local agents = {
      { 'quote " back \\ tab \t end', 'quote " back \\ tab \t end' },
      { "caf\195\169 \226\130\172 \240\157\132\158", "caf\195\169 \226\130\172 \240\157\132\158" },
      { "a\255b", "a\239\191\189b" },
      { "cut \226\130", "cut \239\191\189\239\191\189" },
      { "long \192\175 form", "long \239\191\189\239\191\189 form" },
      { "half \237\160\128", "half \239\191\189\239\191\189\239\191\189" },
      { "far \244\144\128\128", "far " .. ("\239\191\189"):rep(4) },
    }
    for _, agent in ipairs(agents) do
      http.request(moongate.port, { headers = { ["user-agent"] = agent[1] } })
    end
    for i, text in ipairs(wait_for_lines(log, #agents)) do
      assert.equal(agents[i][2], json.decode(text).user_agent)
    end
  end)

  it("writes the combined format, which nobody can break out of", function()
    local moongate, log = start "combined"
    http.request(moongate.port, { path = "/keyed/x?a=b", headers = { ["x-api-key"] = "k1",
      ["user-agent"] = 'x" 200 9 "y\\\t\255', referer = "http://r/" } })
    http.request(moongate.port, { path = "/bytes/7" })
    http.exchange(moongate.port, "bad\r\n\r\n")
    local lines = wait_for_lines(log, 3)
    local time = "%[%d%d/%a%a%a/%d%d%d%d:%d%d:%d%d:%d%d %+0000%]"
    assert.matches("^127%.0%.0%.1 %- mobile\\x20app " .. time
      .. ' "GET /keyed/x%?a=b HTTP/1%.1" 200 3 "http://r/" '
      .. '"x\\x22 200 9 \\x22y\\x5C\\x09\\xFF"$', lines[1])
    assert.matches("^127%.0%.0%.1 %- %- " .. time .. ' "GET /bytes/7 HTTP/1%.1" 200 7 "%-" "%-"$',
      lines[2])
    assert.matches('"%- %- %-" 400 %d+ "%-" "%-"$', lines[3])
  end)

  it("leaves query strings out when told", function()
    local own = "{path} {query} {target} {referer} {header:referer}"
    for _, format in ipairs { "json", "combined", own } do
      local moongate, log = start(format, false)
      http.request(moongate.port, { path = "/bytes/1?token=t0ken",
        headers = { referer = "http://r/p?token=t0ken" } })
      local line = wait_for_lines(log, 1)[1]
      assert.is_nil(line:find("t0ken", 1, true), line)
      assert.is_not_nil(line:find("http://r/p", 1, true))
      gateway.stop_all()
    end
  end)

  it("writes a format of one's own", function()
    local moongate, log = start [[{status} {header:X-One} "{header:x-one}" {response_header:x-two}]]
    http.request(moongate.port, { path = "/headers/x-two=2", headers = { ["x-one"] = 'a b"c' } })
    assert.equal([[200 a\x20b\x22c "a b\x22c" 2]], wait_for_lines(log, 1)[1])
  end)

  it("writes into the file's successor after SIGUSR1", function()
    local moongate, log = start "{path}"
    http.request(moongate.port, { path = "/bytes/1" })
    wait_for_lines(log, 1)
    os.rename(log, log .. ".1")
    system.kill(moongate:worker_pids()[1], system.SIGUSR1)
    wait.that(function() return system.read_file(log) end)
    http.request(moongate.port, { path = "/bytes/2" })
    assert.same({ "/bytes/2" }, wait_for_lines(log, 1))
    assert.same({ "/bytes/1" }, lines_of(log .. ".1"))
  end)

  it("writes to standard output by itself", function()
    local moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      use { { "access-log" } }
      route "/{rest*}" { upstream = "%s" }
    ]]):format(upstream.url) }
    http.request(moongate.port, { path = "/bytes/1" })
    assert.equal("/bytes/1",
      json.decode(wait_for_lines(moongate.directory .. "/stdout", 1)[1]).path)
  end)

  it("refuses what it cannot do when the configuration is read", function()
    local function errors(options)
      local code, _, err = gateway.run({ "check" }, { config = ([[
        listen "127.0.0.1:0"
        route "/" { upstream = "http://127.0.0.1:1", plugins = { { "access-log", %s } } }
      ]]):format(options) })
      assert.equal(1, code)
      return err
    end
    assert.matches('{statsu}.*did you mean "status"', errors 'format = "{statsu}"')
    assert.matches("lone {", errors 'format = "{status} {"')
    assert.matches('expected "json", "combined"', errors 'format = "jason"')
    assert.matches("control character", errors 'format = "{status}\\n"')
    assert.matches("/nowhere/at/all, which is no folder", errors 'path = "/nowhere/at/all/x.log"')
    assert.matches("path is empty", errors 'path = ""')
  end)
end)
