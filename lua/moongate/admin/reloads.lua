--- reloads: which generation runs, how the last reloads went and what became of workers, as the
-- master tells all of them.

local bridge = require "moongate.ffi"
local json = require "moongate.json"

local C, found = bridge.C, bridge.found

local reloads = {}

---@class Reloads
---@field generation integer
---@field since number       seconds since the epoch
---@field cause string       how it came: start, watch, signal, command, admin, rollback
---@field held boolean       rolled back, until a reload is asked for
---@field restarts integer   workers started in the place of one that had ended
---@field reloads { succeeded: integer, failed: integer }
---@field last_failure { at: number, cause: string, errors: string[] }?  nil: settled since

--- What the master has told last; nil while the first generation is being started.
---@return Reloads?
function reloads.read()
  if not C.moon_notice(bridge.generation, found) then return nil end
  return json.decode(bridge.text())
end

return reloads
