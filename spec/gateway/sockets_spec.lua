local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("listening sockets", function()
  after_each(gateway.stop_all)

  local function config(port, workers)
    return ('workers(%d)\nlisten "127.0.0.1:%d"\nroute "/" { upstream = "http://127.0.0.1:1" }\n')
      :format(workers, port)
  end

  -- Runs a gateway that cannot start: its exit code and what it says.
  local function run_in_vain(text)
    local code, _, stderr = gateway.run({ "run" }, { config = text, seconds = 60 })
    return code, stderr
  end

  for _, workers in ipairs { 1, 2 } do
    it(("are refused where somebody listens, with %d workers"):format(workers), function()
      local server = gateway.start { config = config(0, 2) }
      local code, stderr = run_in_vain(config(server.port, workers))
      assert.equal(1, code)
      assert.truthy(stderr:find(("/gateway.lua:2: 127.0.0.1:%d is in use\n"):format(server.port), 1,
        true))
      assert.equal(502, http.request(server.port, { path = "/" }).status)
    end)
  end

  it("are named all, when several cannot be opened", function()
    local server = gateway.start { config = config(0, 1) }
    local code, stderr = run_in_vain(('listen "127.0.0.1:%d"\n'):format(server.port)
      .. 'listen "unix:/no/such/folder/socket"\nroute "/" { upstream = "http://127.0.0.1:1" }\n')
    assert.equal(1, code)
    assert.truthy(stderr:find((":1: 127.0.0.1:%d is in use\n"):format(server.port), 1, true))
    assert.truthy(stderr:find(":2: unix:/no/such/folder/socket cannot be made", 1, true))
  end)

  it("of unix take the place of one that nobody listens on any more", function()
    local directory = system.temporary_directory()
    local text = ('workers(2)\nlisten "unix:%s/socket"\n'):format(directory)
      .. 'route "/" { upstream = "http://127.0.0.1:1" }\n'
    system.write_file(directory .. "/gateway.lua", text)
    local killed = process.spawn({ gateway.binary(), "run", "-c", directory .. "/gateway.lua" },
      { stdout = directory .. "/stdout", stderr = directory .. "/log" })
    wait.that(function()
      return (system.read_file(directory .. "/log") or ""):find "ready"
    end, 60, "the first gateway")
    killed:signal(9)
    killed:wait(10)
    local second = gateway.start { config = text }
    assert.equal(502, http.request(nil, { path = "/", unix = directory .. "/socket" }).status)
    second:stop()
  end)
end)
