--- reload_log: what a gateway's log says of reloads that its watch began.

local reload_log = {}

-- Seconds since midnight.
local function clock_of(line)
  local hours, minutes, seconds = line:match "^%S-T(%d+):(%d+):([%d.]+)Z "
  return hours and hours * 3600 + minutes * 60 + seconds
end

--- From what was found to have changed to a generation that serves; of each reload, in seconds.
--- What changes while one is under way is the next one's, however often it does.
---@param log string
---@return number[]
function reload_log.seconds(log)
  local all, changes = {}, {}
  for line in log:gmatch "[^\n]+" do
    if line:find(" has changed", 1, true) then
      changes[#changes + 1] = clock_of(line)
    elseif changes[1] and line:find " generation %d+ serves" then
      all[#all + 1] = (clock_of(line) - changes[1]) % 86400
      changes = { changes[2] }
    elseif line:find(" is the same as before", 1, true) then
      changes = { changes[2] }
    end
  end
  return all
end

return reload_log
