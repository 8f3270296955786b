--- dev_spec: the script that sets up, builds, runs and installs.

local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local VERBS = {
  "run", "test", "build", "lint", "format", "fuzz", "bench", "soak", "install",
}

describe("dev", function()
  local directory

  before_each(function() directory = system.temporary_directory() end)
  after_each(function() process.remove(directory) end)

  it("lists its verbs when it is alone", function()
    local code, out = process.run { "./dev" }
    assert.equal(0, code)
    for _, verb in ipairs(VERBS) do assert.matches("\n  " .. verb .. " ", out) end
  end)

  it("exits with 2 on a verb that it does not have", function()
    local code, out, err = process.run { "./dev", "tset" }
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("no such verb: tset", err)
  end)

  it("exits with 2 where install has no prefix", function()
    assert.equal(2, (process.run { "./dev", "install" }))
    assert.equal(2, (process.run { "./dev", "install", "--profiled" }))
  end)

  it("names the fuzz targets that there are", function()
    local code, _, err = process.run { "./dev", "fuzz", "no-such-target" }
    assert.equal(1, code)
    assert.matches("proxy_protocol", err)
  end)
end)

-- What runs the specs, on specs of a tree of its own.
describe("dev test", function()
  local root

  before_each(function()
    root = system.temporary_directory()
    process.run { "mkdir", root .. "/spec" }
    local _, here = process.run { "pwd" }
    process.run { "ln", "-s", here:match "[^\n]*" .. "/spec/support", root .. "/spec/support" }
    local functions = system.read_file("dev"):gsub('\nmain "$@"\n$', "\n")
    system.write_file(root .. "/functions", functions)
  end)
  after_each(function() process.remove(root) end)

  -- `specs`: by name what the only case of each does; `first_time()` is true once.
  local function run(specs)
    for name, body in pairs(specs) do
      system.write_file(("%s/spec/%s_spec.lua"):format(root, name), ([[
        local marker = ("%s/%s." .. os.getenv "MOONGATE_BUILD")
        local function first_time()
          if io.open(marker) then return false end
          return io.open(marker, "w"):close()
        end
        it("holds", function() %s end)
      ]]):format(root, name, body))
    end
    local code, out = process.run({ "bash", "-c", "source ./functions; begin; run_specs; sum_up" },
      { directory = root, seconds = 300 })
    return code, out, out:match "([^\n]*)\n$"
  end

  it("counts a file that failed beside others as it ends alone", function()
    local code, out, sum = run { fine = "", flaky = "assert.is_false(first_time())" }
    assert.equal(0, code, out)
    assert.equal("4 passed, 0 failed", sum)
    assert.matches("FAILED  release spec/flaky_spec", out) -- which is not kept secret
    assert.matches("Again, alone, as 2 failed beside others", out)
  end)

  it("fails for what fails twice", function()
    local code, _, sum = run { fine = "", wrong = "assert.is_true(false)" }
    assert.equal(1, code)
    assert.equal("2 passed, 2 failed", sum)
  end)

  it("takes no second look at what crashes, or at many that fail", function()
    local once = "assert.is_false(first_time())"
    local code, out, sum = run {
      crash = 'if first_time() then error "ERROR: AddressSanitizer: heap-use-after-free" end',
      ended = 'if first_time() then os.exit(1) end',
    }
    assert.equal(1, code)
    assert.equal("0 passed, 4 failed", sum)
    assert.is_nil(out:find("Again", 1, true))
    sum = select(3, run { a = once, b = once })
    assert.equal("4 passed, 4 failed", sum)
  end)
end)

-- Installing builds, and builds of two specs at once would be in each other's way.
local is_release = (os.getenv "MOONGATE_BUILD" or "release") == "release"
-- What there is to install.
local is_complete = system.read_file "conf/gateway.lua" and system.read_file "plugins/mock.lua"

describe("dev install", function()
  local root, prefix

  if not is_release or not is_complete then return end

  setup(function()
    root = system.temporary_directory()
    prefix = root .. "/a prefix"
    local code, _, err = process.run({ "./dev", "install", prefix }, { seconds = 300 })
    assert.equal(0, code, err)
  end)

  teardown(function() process.remove(root) end)

  it("puts the program, its Lua, the configuration and the unit where they belong", function()
    for _, file in ipairs {
      "bin/moongate", "share/moongate/lua/moongate/init.lua", "etc/moongate/gateway.lua",
      "lib/systemd/system/moongate.service",
    } do
      assert.is_string(system.read_file(prefix .. "/" .. file), file)
    end
  end)

  it("leaves a program that runs from there", function()
    local config = 'listen "127.0.0.1:0"\nroute "GET /" { plugins = { { "mock", body = "hi" } } }\n'
    system.write_file(root .. "/gateway.lua", config)
    local code, _, err = process.run({ prefix .. "/bin/moongate", "check", "-c",
      root .. "/gateway.lua" }, { directory = "/" })
    assert.equal(0, code, err)
  end)

  it("keeps a configuration that is already there", function()
    system.write_file(prefix .. "/etc/moongate/gateway.lua", "-- mine\n")
    local code, out = process.run({ "./dev", "install", prefix }, { seconds = 300 })
    assert.equal(0, code)
    assert.matches("kept .-/gateway.lua", out)
    assert.equal("-- mine\n", system.read_file(prefix .. "/etc/moongate/gateway.lua"))
  end)
end)

describe("dev run", function()
  if not is_release then return end

  it("is up again in two seconds", function()
    local directory = system.temporary_directory()
    local log = directory .. "/log"
    system.write_file(directory .. "/gateway.lua", 'listen "127.0.0.1:0"\nworkers(1)\n')
    local started = system.now()
    local child = process.spawn({ "./dev", "run", "-c", directory .. "/gateway.lua" },
                                { stdout = log, stderr = log })
    local ok, problem = pcall(wait.that, function()
      return (system.read_file(log) or ""):find "ready"
    end, 20, "the gateway")
    local seconds = system.now() - started
    child:signal(system.SIGTERM)
    child:wait(30)
    local text = system.read_file(log)
    process.remove(directory)
    assert.is_true(ok, tostring(problem) .. text)
    assert.equal(0, child.code, text)
    -- A busy machine gets more; alone it takes a third of a second.
    assert.is_true(seconds < 10, seconds .. " s")
  end)

  if not is_complete then return end

  it("has something to try in the configuration that it starts", function()
    assert.matches("\n%-%- *curl ", system.read_file "conf/gateway.lua")
  end)
end)
