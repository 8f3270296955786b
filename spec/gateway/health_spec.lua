--- health: targets that are down or answer badly get no requests, in any worker.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("health", function()
  local directory

  setup(function() directory = system.temporary_directory() end)
  teardown(function() os.execute(("rm -r '%s'"):format(directory)) end)
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- A target that answers probes with the text of a file, "200 fine" where there is none. Only what
  -- is no probe is counted as a request.
  local function target(name)
    local path = ("%s/%s"):format(directory, name)
    os.remove(path)
    local origin
    origin = peer.start(function(connection)
      local request = connection:read_request()
      while request do
        if request.target:find "^/healthz" then
          local said = system.read_file(path) or "200 fine"
          local status, body = said:match "^(%d+) (.*)$"
          connection:note { host = request.headers.host, target = request.target }
          if not connection:answer(tonumber(status), nil, body) then return end
        else
          connection:note { request = true }
          local status = tonumber(request.target:match "/status/(%d+)" or 200)
          if name ~= "bad" then status = 200 end
          if not connection:answer(status, nil, name) then return end
        end
        request = connection:read_request()
      end
    end)
    function origin.say(_, text) system.write_file(path, text) end -- luacheck: ignore
    function origin.probes(self)
      local list = {}
      for _, note in ipairs(self:notes()) do
        if not note.request then list[#list + 1] = note end
      end
      return list
    end
    return origin
  end

  local function start(targets, upstream, workers)
    local urls = {}
    for i, origin in ipairs(targets) do
      urls[i] = ("%q"):format(type(origin) == "string" and origin or origin.url)
    end
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(%d)
      upstream "users" { %s, %s }
      route "/{rest*}" { upstream = "users" }
    ]]):format(workers or 1, table.concat(urls, ", "), upstream) }
  end

  local function status_of(self)
    return json.decode(http.request(self.admin_port, { path = "/status" }).body)
  end

  -- What /status says of the targets, as "up down".
  local function states(self)
    local list = {}
    for i, row in ipairs(status_of(self).upstreams[1].targets) do list[i] = row.state end
    return table.concat(list, " ")
  end

  local function wait_for_states(self, wanted)
    local seen
    local ok = pcall(wait.that, function()
      seen = states(self)
      return seen == wanted
    end, 20, "states")
    if not ok then assert.equal(wanted, seen) end
  end

  local function answers(self, count, path)
    local bodies = {}
    for i = 1, count do bodies[i] = http.request(self.port, { path = path or "/" }).body end
    table.sort(bodies)
    return table.concat(bodies, " ")
  end

  local PROBES =
    'health = { path = "/healthz", interval = "100ms", timeout = "20s", fall = 1, rise = 1, %s }'

  it("is asked for, and decides who gets requests in all workers", function()
    local one, two = target "one", target "two"
    local self = start({ one, two }, PROBES:format "", 2)
    assert.equal("one one two two", answers(self, 4))
    one:say "503 sorry"
    wait_for_states(self, "down up")
    assert.equal("two two two two two two", answers(self, 6))
    one:say "200 fine"
    wait_for_states(self, "up up")
    assert.equal("one one two two", answers(self, 4))
    self:wait_for_log 'upstream "users": 127%.0%.0%.1:%d+ is down: status 503'
    self:wait_for_log 'upstream "users": 127%.0%.0%.1:%d+ is up'
  end)

  it("is what the options expect: status, body, Host, path", function()
    local one, two = target "one", target "two"
    one:say "204 "
    two:say "200 it is degraded"
    local self = start({ one, two }, PROBES:format
      'status = { 204, "5xx" }, host = "api.test", fall = 1')
    wait_for_states(self, "up down")
    local first = wait.that(function() return one:probes()[1] end, 20, "a probe")
    assert.same({ host = "api.test", target = "/healthz" }, first)
    gateway.stop_all()
    one:say "200 all is fine here"
    self = start({ one, two }, PROBES:format 'body = "fine"')
    wait_for_states(self, "up down")
    self:wait_for_log "is down: the body is another one"
  end)

  it("can be no more than a connection", function()
    local port, keeper = peer.refusing()
    local one = target "one"
    local self = start({ one, "http://127.0.0.1:" .. port },
      'health = { type = "tcp", interval = "100ms", rise = 1 }')
    wait_for_states(self, "up down")
    assert.equal("one one one", answers(self, 3))
    keeper:close()
    peer.start(nil, { port = port })
    wait_for_states(self, "up up")
  end)

  it("is asked for over TLS as requests are sent: by the name that the certificate has", function()
    local own = certificates.authority(directory, "own")
    local server = own:issue { name = "localhost", alternatives = "DNS:localhost" }
    local origin = peer.start(function(connection)
      while connection:read_request() do
        if not connection:answer(200, nil, "secret") then return end
      end
    end, { tls = { cert = server.certificate, key = server.key } })
    for _, row in ipairs { { "http", "localhost", "up" }, { "tcp", "other.test", "down" } } do
      local self = start({ "https://localhost:" .. origin.port }, ([[
        health = { type = "%s", interval = "100ms" },
        tls = { ca = "%s", server_name = "%s" }
      ]]):format(row[1], own.certificate, row[2]))
      wait.that(function()
        return status_of(self).upstreams[1].targets[1].probes.state == row[3]
      end, 20, "the probe's word")
      self:stop()
    end
  end)

  it("is bad where nobody answers in time, or the connection is reset", function()
    local silent = peer.start(require("spec.support.peer_answers").silent)
    local resetting = peer.start(require("spec.support.peer_answers").resetting)
    local self = start({ silent, resetting, target "one" },
      'health = { path = "/healthz", interval = "100ms", timeout = "700ms" }')
    wait_for_states(self, "down down up")
    assert.equal("one one one", answers(self, 3))
  end)

  it("flaps no faster than it is counted", function()
    local one, two = target "one", target "two"
    local self = start({ one, two }, PROBES:format "fall = 1000")
    wait.that(function() return #one:probes() > 0 end, 10, "a probe")
    one:say "500 no"
    local before = #one:probes()
    wait.that(function() return #one:probes() > before + 2 end, 10, "probes")
    assert.equal("up up", states(self))
  end)

  it("is asked for by one worker, and by another when that one is killed", function()
    local one, two = target "one", target "two"
    local self = start({ one, two }, PROBES:format "", 2)
    local prober = wait.that(function() return status_of(self).prober end, 20, "a prober")
    one:say "503 sorry"
    wait_for_states(self, "down up")
    local pid
    for _, worker in ipairs(status_of(self).workers.list) do
      if worker.worker == prober then pid = worker.pid end
    end
    system.kill(pid, system.SIGKILL)
    assert.equal("two two two two", answers(self, 4)) -- whoever answers knows
    wait.that(function()
      local now = status_of(self).prober
      return now
    end, 10, "another prober")
    local before = #one:probes()
    wait.that(function() return #one:probes() > before + 2 end, 20, "probes to go on")
    assert.equal("down up", states(self))
    one:say "200 fine"
    wait_for_states(self, "up up")
  end)

  it("is asked for by one alone: so many probes as the interval says", function()
    local one = target "one"
    start({ one }, 'health = { path = "/healthz", interval = "1h" }', 3)
    wait.that(function() return #one:probes() > 0 end, 10, "the first probe")
    system.sleep(0.1)
    assert.equal(1, #one:probes())
  end)

  it("shows in metrics", function()
    local one, two = target "one", target "two"
    one:say "503 sorry"
    local self = start({ one, two }, PROBES:format "", 2)
    wait_for_states(self, "down up")
    local function sample(name, origin)
      local text = http.request(self.admin_port, { path = "/metrics" }).body
      return tonumber(text:match(name .. '{upstream="users",target="' .. origin.address:gsub("%p",
        "%%%0") .. '"} (%S+)'))
    end
    wait.that(function() return sample("moongate_target_down", one) == 1 end, 10, "the gauge")
    assert.equal(0, sample("moongate_target_down", two))
    assert.is_true(sample("moongate_target_probes_total", one) >= 1)
    assert.is_true(sample("moongate_target_probe_failures_total", one) >= 1)
    assert.equal(0, sample("moongate_target_probe_failures_total", two))
    assert.equal(1, sample("moongate_target_weight", two))
  end)

  describe("of who answers badly", function()
    it("is taken from its answers: too large a share sets it aside in all workers", function()
      local bad, good = target "bad", target "good"
      local self = start({ bad, good },
        'set_aside = "1h", outliers = { share = 0.5, requests = 10, window = "1h" }', 2)
      for _ = 1, 20 do http.request(self.port, { path = "/status/503" }) end
      wait_for_states(self, "set aside up")
      assert.equal("good good good good", answers(self, 4))
      self:wait_for_log "is set aside: too many bad answers"
    end)

    it("lasts over reloads, and the death of all workers", function()
      local port, keeper = peer.refusing()
      local good = target "good"
      local self = start({ "http://127.0.0.1:" .. port, good },
        'set_aside = "1h", failures = 1', 2)
      answers(self, 2)
      wait_for_states(self, "set aside up")
      keeper:close()
      local back = peer.start(nil, { port = port })
      system.write_file(self.directory .. "/gateway.lua",
        system.read_file(self.directory .. "/gateway.lua") .. "\nvia 'other'\n")
      assert.equal(0, (self:ask { "reload" }))
      local before = self:worker_pids()
      self:kill_workers()
      wait.that(function()
        local pids = self:worker_pids()
        return #pids == 2 and pids[1] ~= before[1] and pids[2] ~= before[2]
          and pids[1] ~= before[2] and pids[2] ~= before[1]
      end, 20, "other workers")
      assert.equal("good good good good good good", answers(self, 6))
      assert.equal("set aside up", states(self))
      assert.equal(0, #back:requests())
    end)
  end)
end)
