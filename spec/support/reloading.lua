--- reloading: a gateway whose configuration changes while it runs.
--
--     local self = reloading.start { config = ..., files = ... }
--     self:reload { ["gateway.lua"] = "..." }

local gateway = require "spec.support.gateway"
local system = require "spec.support.system"

local reloading = {}

---@class ReloadedGateway: Gateway
---@field generation integer that serves
local Reloaded = {}

local function write(self, files)
  for name, content in pairs(files or {}) do
    if name == "gateway.lua" then content = gateway.complete(content) end
    system.write_file(self.directory .. "/" .. name, content)
  end
end

local function reload(self, files)
  write(self, files)
  self:signal(system.SIGHUP)
end

--- Writes files, reloads, and waits until all workers run what they say.
---@param files table<string, string>? by name below the gateway's directory
function Reloaded:reload(files)
  reload(self, files)
  self.generation = self.generation + 1
  self:wait_for_log(("generation %d serves"):format(self.generation), 60)
end

--- Writes files, reloads, and waits until that is refused.
---@param files table<string, string>?
---@return string why as the log has it
function Reloaded:refuse(files)
  local before = #self:log()
  reload(self, files)
  self:wait_for_log("was not reloaded.*\n()", 60, before)
  return self:log():sub(before + 1):match "was not reloaded: (.*)"
end

--- As gateway.start().
---@return ReloadedGateway
function reloading.start(options)
  local self = gateway.start(options)
  self.generation = 1
  self.reload, self.refuse = Reloaded.reload, Reloaded.refuse
  return self
end

--- Puts a configuration in the place of a gateway's own, by a rename, that differs from it in the
--- number behind "-- revision" and in the body of the first answer which is a number.
---@param self Gateway
---@param revision integer
function reloading.edit(self, revision)
  local path = self.directory .. "/gateway.lua"
  local text = system.read_file(path)
  text = text:gsub("%-%- revision %d+", "-- revision " .. revision, 1)
    :gsub('body = "%d+"', ('body = "%d"'):format(revision), 1)
  system.write_file(path .. ".new", text)
  assert(os.rename(path .. ".new", path))
end

return reloading
