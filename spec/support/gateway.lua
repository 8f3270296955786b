--- gateway: the real binary, started for a spec and stopped after it.
--
-- Whatever is still running when a spec file ends is killed with it; a report
-- of a sanitizer in any process of a gateway fails the spec that stops it.

local json = require "cjson"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

---@class Gateway
---@field pid integer of the master
---@field directory string where gateway.lua and the other files are
---@field ports integer[] of the TCP listeners, as listed in the configuration
---@field port integer the first of them
---@field admin_port integer|nil
---@field process Process
local Gateway = {}
Gateway.__index = Gateway

local gateway = {}

local running = {}

--- The program under test.
---@return string path
function gateway.binary()
  return system.absolute(os.getenv "MOONGATE_BINARY" or "build/release/moongate")
end

-- Sanitizers write into files beside the configuration, one for each process.
local function sanitizer_options(directory)
  local options = (" log_path=%s/sanitizer exitcode=99 "):format(directory)
  return {
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. options,
    TSAN_OPTIONS = (os.getenv "TSAN_OPTIONS" or "") .. options,
    UBSAN_OPTIONS = (os.getenv "UBSAN_OPTIONS" or "") .. options .. "print_stacktrace=1",
  }
end

local function environment(directory, changes)
  local env = sanitizer_options(directory)
  env.RUNTIME_DIRECTORY = directory -- for the control socket
  for name, value in pairs(changes or {}) do env[name] = value end
  return env
end

-- By a path without blanks, at which LD_PRELOAD would be cut.
local function preload(env, directory, library)
  env.LD_PRELOAD = directory .. "/preloaded.so"
  local command = ("ln -sf '%s' '%s'"):format(
    system.absolute("build/release/spec/" .. library), env.LD_PRELOAD)
  assert(os.execute(command) == 0)
end

-- What sanitizers wrote about processes that ran in `directory`, or nil.
local function sanitizer_reports(directory)
  local pipe = io.popen(("cat '%s'/sanitizer.* 2>/dev/null"):format(directory))
  local text = pipe:read "*a"
  pipe:close()
  return text ~= "" and text or nil
end

--- One worker is enough for most, and quicker to start; what changes files says when to read them.
--- Added behind the text: its lines keep their numbers.
---@param config string
---@return string
function gateway.complete(config)
  if not config:find "workers%s*%(" then config = config .. "\nworkers(1)\n" end
  if not config:find "watch%s*%(" then config = config .. "\nwatch(false)\n" end
  return config
end

local function read_ports(self)
  self.ports, self.addresses = {}, {}
  for admin, address in self:log():gmatch "(%a*) ?listening on ([^%s\",]+)" do
    local port = tonumber(address:match ":(%d+)$")
    if admin == "admin" then
      self.admin_port, self.admin_address = port, address
    else
      self.ports[#self.ports + 1] = port
      self.addresses[#self.addresses + 1] = address
    end
  end
  self.port = self.ports[1]
end

--- Writes a configuration into a directory of its own.
---@param options { config: string, files: table<string, string>? }
---@return string directory holds gateway.lua and `files`, by their relative names
function gateway.directory(options)
  local directory = system.temporary_directory()
  system.write_file(directory .. "/gateway.lua", options.config)
  for name, content in pairs(options.files or {}) do
    system.write_file(directory .. "/" .. name, content)
  end
  return directory
end

--- Starts a gateway and waits until it serves.
---@param options table `config`: text of gateway.lua, listeners on "127.0.0.1:0"; `descriptors`:
--- that each process may have; `files`: more files by relative name; `env`; `preload`: a library of
--- build/release/spec that is loaded first; `arguments`: behind `run -c FILE`; `seconds`: bound of
--- the start; `directory`: an existing one, instead of `config`; `binary`: instead of
--- gateway.binary()
---@return Gateway
function gateway.start(options)
  local directory = options.directory
    or gateway.directory { config = gateway.complete(options.config), files = options.files }
  local arguments = { options.binary or gateway.binary(), "run", "-c", directory .. "/gateway.lua" }
  for _, argument in ipairs(options.arguments or {}) do arguments[#arguments + 1] = argument end
  if options.descriptors then
    local limit = ("--nofile=%d:%d"):format(options.descriptors, options.descriptors)
    arguments = { "prlimit", limit, unpack(arguments) }
  end
  os.remove(directory .. "/log") -- a predecessor's
  local env = environment(directory, options.env)
  if options.preload then preload(env, directory, options.preload) end
  local self = setmetatable({ directory = directory }, Gateway)
  self.process = process.spawn(arguments, {
    stdout = directory .. "/stdout",
    stderr = directory .. "/log",
    env = env,
  })
  self.pid = self.process.pid
  running[self] = true
  self:wait_for_log("%f[%a]ready%f[%A]", options.seconds or 60)
  read_ports(self)
  return self
end

--- Runs a verb of the command line to its end.
---@param arguments string[]
---@param options table? `config`, `files`: written first, and given as -c; `env`; `input`;
--- `directory`: the working directory
---@return integer code
---@return string stdout
---@return string stderr
function gateway.run(arguments, options)
  options = options or {}
  local directory = gateway.directory { config = options.config or "", files = options.files }
  local command = { gateway.binary() }
  for _, argument in ipairs(arguments) do command[#command + 1] = argument end
  if options.config then
    command[#command + 1] = "-c"
    command[#command + 1] = directory .. "/gateway.lua"
  end
  local code, out, err = process.run(command, {
    env = environment(directory, options.env),
    input = options.input,
    directory = options.directory,
    seconds = options.seconds,
  })
  local reports = sanitizer_reports(directory)
  process.remove(directory)
  if reports then error("a sanitizer reports:\n" .. reports, 2) end
  return code, out, err
end

--- Asks it by a verb of the command line, to its end.
---@param arguments string[] the verb first
---@param options table? as gateway.run(); `config_path` instead of its own
---@return integer code
---@return string stdout
---@return string stderr
function Gateway:ask(arguments, options)
  options = options or {}
  local command = { gateway.binary(), unpack(arguments) }
  command[#command + 1] = "-c"
  command[#command + 1] = options.config_path or self.directory .. "/gateway.lua"
  return process.run(command, {
    env = environment(self.directory, options.env),
    directory = options.directory,
    seconds = options.seconds,
  })
end

--- Another gateway takes its place, by `moongate upgrade`: from then on this is that one, and
--- `previous` the process that was.
---@param options table? as Gateway:ask()
---@return table answer of the verb
function Gateway:upgrade(options)
  system.adopt_orphans()
  local code, out, err = self:ask({ "upgrade", "--json" }, options)
  if code ~= 0 then error(("%s%s\nits log:\n%s"):format(out, err, self:log()), 2) end
  local answer = json.decode(out)
  self.previous = self.process
  self.pid, self.process = answer.pid, process.adopt(answer.pid)
  return answer
end

--- All that it has logged.
---@return string
function Gateway:log()
  return system.read_file(self.directory .. "/log") or ""
end

--- Waits until the log has `pattern`; raises, with the log, when it never does.
---@param pattern string a Lua pattern
---@param seconds number?
---@param from integer? bytes of the log that are not looked at
---@return string match the first capture, or the whole match
function Gateway:wait_for_log(pattern, seconds, from)
  local match
  local _, problem = pcall(wait.that, function()
    local is_running = self.process:is_running() -- asked first: its last words count
    match = self:log():match(pattern, (from or 0) + 1)
    return match or not is_running
  end, seconds, "the log to have " .. pattern)
  if match then return match end
  local reports = sanitizer_reports(self.directory) or ""
  error(("%s (exit code %s); its log:\n%s%s"):format(
    self.process.code and "it ended" or problem, self.process.code, self:log(), reports), 2)
end

-- Children of the master that are no workers, by name.
local OTHERS = { ["nursery\n"] = true, ["rehearsal\n"] = true }

-- Of the master's children, those whose name is wanted.
local function children(self, is_wanted)
  local path = ("/proc/%d/task/%d/children"):format(self.pid, self.pid)
  local pids = {}
  for pid in (system.read_file(path) or ""):gmatch "%d+" do
    local name = system.read_file(("/proc/%s/comm"):format(pid))
    if name and is_wanted(name) then pids[#pids + 1] = tonumber(pid) end
  end
  return pids
end

-- A process that has just been forked goes by its parent's name for a moment, whatever it will be.
local NAMED_SECONDS = 0.02

-- Whether all of `pids` were known before, or have had the time to take a name.
local function are_named(self, pids)
  self.named = self.named or {}
  local is_known = true
  for _, pid in ipairs(pids) do is_known = is_known and self.named[pid] end
  if is_known then return true end
  system.sleep(NAMED_SECONDS)
  for _, pid in ipairs(pids) do self.named[pid] = true end
  return false
end

--- Process ids of the workers.
---@return integer[]
function Gateway:worker_pids()
  local pids
  repeat
    pids = children(self, function(name) return not OTHERS[name] end)
  until are_named(self, pids)
  return pids
end

--- Process ids of the master's children that are called so.
---@param name string  "nursery", "rehearsal"
---@return integer[]
function Gateway:children(name)
  return children(self, function(own) return own == name .. "\n" end)
end

--- Resident memory of a process.
---@param pid integer? default: the first worker
---@return integer bytes
function Gateway:rss(pid)
  local status = system.read_file(("/proc/%d/status"):format(pid or self:worker_pids()[1]))
  return tonumber(status:match "VmRSS:%s*(%d+) kB") * 1024
end

--- Processor time of a process since it began.
---@param pid integer? default: the first worker
---@return number seconds
function Gateway:cpu_seconds(pid)
  return system.cpu_seconds(pid or self:worker_pids()[1])
end

---@param signal integer one of system.SIG*
function Gateway:signal(signal)
  self.process:signal(signal)
end

local function forget(self)
  running[self] = nil
  process.remove(self.directory)
end

-- Signals by which a worker ends itself: abort(), a broken invariant, wild pointers.
local CRASHES = { ["4"] = true, ["6"] = true, ["7"] = true, ["8"] = true, ["11"] = true }

-- What went wrong in a gateway that ended with `code`, or nil.
local function ill_end(log, reports, code, expected)
  if reports then return "a sanitizer reports:\n" .. reports end
  if code ~= expected then return ("the gateway ended with %s"):format(code or "SIGKILL only") end
  for signal in log:gmatch "was ended by signal (%d+)" do
    if CRASHES[signal] then return "a worker crashed: signal " .. signal end
  end
  return nil
end

--- Ends it with SIGTERM; raises when it does not end well or a sanitizer complained.
---@param options table? `signal` and `seconds` to end it with; `code` that it should end with
function Gateway:stop(options)
  options = options or {}
  if not running[self] then return end
  self.process:signal(options.signal or system.SIGTERM)
  local code = self.process:wait(options.seconds or 60)
  if not code then self:kill_workers() self.process:kill() end
  local log, reports = self:log(), sanitizer_reports(self.directory)
  forget(self)
  local problem = ill_end(log, reports, code, options.code or 0)
  if problem then error(problem .. "\nits log:\n" .. log, 2) end
end

--- Kills the master with SIGKILL. Its directory stays, for gateway.start { directory = ... }.
---@return string directory
function Gateway:crash()
  self.process:kill()
  running[self] = nil
  return self.directory
end

--- Kills all workers at once.
function Gateway:kill_workers()
  for _, pid in ipairs(self:worker_pids()) do system.kill(pid, system.SIGKILL) end
end

--- Stops every gateway that is still running: for after_each().
function gateway.stop_all()
  local first_error
  for self in pairs(running) do
    local ok, message = pcall(self.stop, self)
    if not ok then first_error = first_error or message end
  end
  if first_error then error(first_error, 2) end
end

return gateway
