--- check: `moongate check`: says all that is wrong with a configuration, and has no effect.

local json = require "moongate.json"
local reading = require "moongate.command.reading"

local check = { usage = "check [-c FILE] [--json]", words = { 0, 0 } }

local function count(number, one, many)
  return ("%d %s"):format(number, number == 1 and one or many)
end

---@param given Arguments
---@return integer code
function check.run(given)
  local model = reading.model(given, false)
  if not model then return 1 end
  if given.json then
    io.stdout:write(json.encode {
      ok = true, files = json.array(model.files), routes = model.route_count,
      upstreams = #model.upstreams, consumers = model.consumer_count, listeners = #model.listeners,
    }, "\n")
    return 0
  end
  io.stdout:write(("%s: good; %s, %s, %s, %s\n"):format(given.config,
    count(model.route_count, "route", "routes"), count(#model.upstreams, "upstream", "upstreams"),
    count(model.consumer_count, "consumer", "consumers"),
    count(#model.listeners, "listener", "listeners")))
  return 0
end

return check
