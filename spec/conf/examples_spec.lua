-- The configurations of conf/, and the tour through the first of them, as they are printed.

local gateway = require "spec.support.gateway"
local free_port = require("spec.support.ports").free
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local PORTS = { "8080", "8081", "8443", "8001" }
-- What has to be made before it runs; its comment says how.
local CERTIFICATES = "conf/client-certificates.lua"

local function read(path) return assert(system.read_file(path), path) end

-- Free ports, by those that the example has.
local function free_ports()
  local free = {}
  for _, port in ipairs(PORTS) do free[port] = tostring(free_port()) end
  return free
end

local function with_ports(text, ports)
  return (text:gsub(":(%d+)", function(port) return ports[port] and ":" .. ports[port] end))
end

local function curl_lines(text, pattern)
  local lines = {}
  for line in text:gmatch(pattern) do lines[#lines + 1] = line end
  return lines
end

-- What the tour promises of each line: the status, and something in the answer.
local EXPECTED = {
  { "/users/7", 200, '"name":"Ada"', '"id":"7"', "x%-request%-id: %x+" },
  { "%-H 'x%-api%-key: try%-me' .*/orders", 200, '"item":"lamp"', 'ratelimit: .*;r=%d' },
  { "/orders", 401, "urn:moongate:problem:missing%-key" },
  { "/hello", 200, "Good evening, core team!", "cache%-control: no%-store" },
  { "/nowhere", 404, "urn:moongate:problem:no%-route" },
  { "%-X DELETE .*/users/7", 405, "allow: GET, HEAD" },
  { "/dashboard/7", 200, '"name":"Ada"', '"item":"lamp"' },
}

local EXPECTED_OF_DECISIONS = {
  { "a%-token.*/orders", 200, "Orders of ada, by mobile" },
  { "/orders", 401, "urn:moongate:problem:missing%-token", "www%-authenticate: Bearer realm=" },
  { "Basic .*/reports", 200, "Reports of ada" },
  { "/reports", 401, "Who are you%?", "www%-authenticate: Basic realm=" },
  { "%-X DELETE .*a%-token", 403, "urn:moongate:problem:insufficient%-scope" },
}

local function expectation(line, rows)
  local found
  for _, row in ipairs(rows) do
    if line:find(row[1]) and (not found or #row[1] > #found[1]) then found = row end
  end
  return found
end

local function run(line, ports)
  local code, out, err = process.run { "sh", "-c", with_ports(line, ports) .. " -sS" }
  assert.equal(0, code, line .. ": " .. err)
  return out
end

local function check_answer(line, out, rows)
  if line:find "/metrics" then
    assert.matches('moongate_requests_total{route="GET /users/{id}",status="200"}', out)
    return
  elseif line:find "/status" then
    assert.matches('"draining":false', out)
    return
  end
  local expected = assert(expectation(line, rows or EXPECTED), "no expectation of " .. line)
  assert.equal(expected[2], tonumber(out:match "^HTTP/1.1 (%d+)"), line .. "\n" .. out)
  for i = 3, #expected do assert.matches(expected[i], out) end
end

-- Commands of a comment, which a "\" carries on in the next line.
local function commands(path, first)
  local text = read(path):gsub("\\\n%-%- +", "")
  return text:gmatch("\n%-%- +(" .. first .. " [^\n]+)")
end

-- Has a folder with what the comment says is to be made.
local function make_certificates()
  local directory = system.temporary_directory()
  for _, first in ipairs { "mkdir", "openssl" } do
    for line in commands(CERTIFICATES, first) do
      local code, _, err = process.run { "sh", "-c", ("cd '%s' && %s"):format(directory, line) }
      assert.equal(0, code, line .. "\n" .. err)
    end
  end
  return directory
end

-- Of a folder, by their names below it.
local function files_of(directory)
  local files = {}
  local _, listing = process.run { "find", directory, "-type", "f" }
  for path in listing:gmatch "[^\n]+" do files[path:sub(#directory + 2)] = read(path) end
  return files
end

-- Lines as `--   curl -i http://localhost:8080/ # 200`, one after the other.
local function try(path, files)
  local ports, count = free_ports(), 0
  local self = gateway.start { config = with_ports(read(path), ports), files = files }
  for command in commands(path, "curl") do
    local line, status = command:match "^(.*) # (%d+)$"
    count = count + 1
    local out = run(("cd '%s' && %s"):format(self.directory, line), ports)
    assert.equal(status, out:match "^HTTP/1.1 (%d+)", line .. "\n" .. out)
  end
  assert.is_true(count >= 4)
end

describe("conf/", function()
  local certificates, files

  setup(function()
    certificates = make_certificates()
    files = files_of(certificates)
  end)
  teardown(function() process.remove(certificates) end)
  after_each(gateway.stop_all)

  it("has examples that are good", function()
    local code, listing = process.run { "find", "conf", "-name", "*.lua" }
    assert.equal(0, code)
    local count = 0
    for path in listing:gmatch "[^\n]+" do
      count = count + 1
      if path == CERTIFICATES then
        path = certificates .. "/gateway.lua"
        system.write_file(path, read(CERTIFICATES))
      end
      local status, _, err = process.run { gateway.binary(), "check", "-c", path }
      assert.equal(0, status, err)
    end
    assert.is_true(count > 0)
  end)

  for _, page in ipairs {
    { "conf/gateway.lua", "\n%-%- +(curl [^\n]+)" },
    { "README.md", "\n(curl [^\n]+)" },
  } do
    it("has a first example that does what " .. page[1] .. " says", function()
      local ports = free_ports()
      gateway.start { config = with_ports(read "conf/gateway.lua", ports) }
      local lines = curl_lines(read(page[1]), page[2])
      assert.is_true(#lines >= 6)
      for _, line in ipairs(lines) do check_answer(line, run(line, ports)) end
    end)
  end

  for _, path in ipairs { "conf/session.lua", "conf/signing.lua" } do
    it("has what does as it says in " .. path, function() try(path) end)
  end

  it("has what does as it says, once it is made, in " .. CERTIFICATES, function()
    try(CERTIFICATES, files)
  end)

  it("has decisions of others as conf/decisions.lua says", function()
    local ports = free_ports()
    gateway.start { config = with_ports(read "conf/decisions.lua", ports) }
    local lines = curl_lines(read "conf/decisions.lua", "\n%-%- +(curl [^\n]+)")
    assert.is_true(#lines >= 5)
    for _, line in ipairs(lines) do
      check_answer(line, run(line, ports), EXPECTED_OF_DECISIONS)
    end
  end)

  it("has a first example whose limit holds", function()
    local ports = free_ports()
    gateway.start { config = with_ports(read "conf/gateway.lua", ports) }
    local line = "curl -i -H 'x-api-key: try-me' http://localhost:8080/orders"
    for _ = 1, 5 do assert.matches("^HTTP/1.1 200", run(line, ports)) end
    -- One comes back every twelve seconds.
    wait.that(function() return run(line, ports):find "^HTTP/1.1 429" end)
  end)

  it("keeps its sample services to their own listener", function()
    local ports = free_ports()
    gateway.start { config = with_ports(read "conf/gateway.lua", ports) }
    assert.matches("^HTTP/1.1 404", run("curl -i http://localhost:8080/samples/users/7", ports))
    assert.matches("^HTTP/1.1 200", run("curl -i http://127.0.0.1:8081/samples/users/7", ports))
  end)
end)
