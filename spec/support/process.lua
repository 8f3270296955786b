--- process: child processes of a spec, which end with it, however it ends.

local ffi = require "ffi"
local system = require "spec.support.system"

local C = system.C

---@class Process
---@field pid integer
---@field code integer|nil exit code once it has ended; minus the signal that killed it
local Process = {}
Process.__index = Process

local process = {}

local O_RDONLY, O_WRONLY_CREATE_APPEND = 0, 1 + 64 + 1024

-- The texts that arrays of C point into: they are collected with the arrays, not before.
local pointed_at = setmetatable({}, { __mode = "k" })

local function strings(list)
  local array = ffi.new("char *[?]", #list + 1)
  pointed_at[array] = list
  for i, text in ipairs(list) do array[i - 1] = ffi.cast("char *", text) end
  return array
end

-- LD_PRELOAD brings a sanitizer into the spec's own LuaJIT; children bring theirs.
local function environment(changes)
  local map, list = {}, {}
  local i = 0
  while C.spec_environ[i] ~= nil do
    local name, value = ffi.string(C.spec_environ[i]):match "^([^=]*)=(.*)$"
    if name and name ~= "LD_PRELOAD" then map[name] = value end
    i = i + 1
  end
  for name, value in pairs(changes or {}) do map[name] = value end
  for name, value in pairs(map) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

local function redirect(path, flags, descriptor)
  local fd = C.spec_open(path, flags, tonumber("600", 8))
  if fd < 0 then C.spec_exit(127) end
  C.spec_dup2(fd, descriptor)
end

--- Runs `body` in a copy of this process, which dies when this process does.
---@param body fun() the child exits with 0 when it returns, with 70 when it raises
---@return Process
function process.fork(body)
  local parent = C.spec_getpid()
  io.stdout:flush()
  local pid = C.spec_fork()
  assert(pid >= 0, "fork failed")
  if pid > 0 then return setmetatable({ pid = pid }, Process) end
  system.die_with(parent)
  local ok, message = xpcall(body, debug.traceback)
  if not ok then io.stderr:write(message, "\n") end
  C.spec_exit(ok and 0 or 70)
end

--- A process that another one has started, which is this one's child since that has ended: see
--- system.adopt_orphans().
---@param pid integer
---@return Process
function process.adopt(pid)
  return setmetatable({ pid = pid }, Process)
end

--- Starts a program found in PATH.
---@param arguments string[] the program's name first
---@param options table? `stdin`, `stdout`, `stderr`: paths of files; `env`: added to the
--- environment, where false removes a name; `directory`: where it runs
---@return Process
function process.spawn(arguments, options)
  options = options or {}
  local variables = environment(options.env)
  local argv, envp = strings(arguments), strings(variables)
  return process.fork(function()
    redirect(options.stdin or "/dev/null", O_RDONLY, 0)
    redirect(options.stdout or "/dev/null", O_WRONLY_CREATE_APPEND, 1)
    redirect(options.stderr or "/dev/null", O_WRONLY_CREATE_APPEND, 2)
    C.spec_close_range(3, 0xffffffff, 0)
    C.spec_signal(13, 0) -- as programs expect it, not as specs have it
    if options.directory then C.spec_chdir(options.directory) end
    C.spec_execvpe(arguments[1], argv, envp)
    C.spec_exit(127)
  end)
end

--- Runs a program to its end.
---@param arguments string[]
---@param options table? as process.spawn(); `input` is what it reads; `seconds` bounds it (120)
---@return integer code
---@return string stdout
---@return string stderr
function process.run(arguments, options)
  local directory = system.temporary_directory()
  local files = { stdout = directory .. "/out", stderr = directory .. "/err" }
  for name, value in pairs(options or {}) do files[name] = value end
  if files.input then
    files.stdin = directory .. "/in"
    system.write_file(files.stdin, files.input)
  end
  local child, seconds = process.spawn(arguments, files), files.seconds or 120
  local code = child:wait(seconds)
  if not code then
    child:kill()
    error(table.concat(arguments, " ") .. ": still running after " .. seconds .. " s")
  end
  local out, err = system.read_file(files.stdout) or "", system.read_file(files.stderr) or ""
  process.remove(directory)
  return code, out, err
end

--- Removes a directory made by system.temporary_directory().
---@param directory string
function process.remove(directory)
  assert(directory:find("/moongate%-spec%-"), "not a directory of a spec: " .. directory)
  process.spawn({ "rm", "-rf", directory }):wait(30)
end

---@return boolean
function Process:is_running()
  if self.code == nil then self.code = system.reap(self.pid) end
  return self.code == nil
end

--- Waits for the end, at most `seconds`.
---@param seconds number
---@return integer|nil code as `code`; nil when it still runs
function Process:wait(seconds)
  local deadline = system.now() + seconds
  local pause = 0.001
  while self:is_running() and system.now() < deadline do
    system.sleep(pause)
    pause = math.min(pause * 2, 0.05)
  end
  return self.code
end

---@param signal integer
function Process:signal(signal)
  if self:is_running() then system.kill(self.pid, signal) end
end

--- Ends it at once.
function Process:kill()
  self:signal(system.SIGKILL)
  self:wait(10)
end

return process
