--- targets: the endpoints of the admin listeners that show targets and say what they get.
--
--     GET    /upstreams                            all, as in /status
--     GET    /upstreams/{name}
--     GET    /upstreams/{name}/targets/{target}    the target's URL, or what is behind "//" in it
--     PUT    /upstreams/{name}/targets/{target}    { state = "drain", weight = 5 }
--     DELETE /upstreams/{name}/targets/{target}    as configured again
--
-- What is said holds in all workers, and after reloads, until it is reset.

local bridge = require "moongate.ffi"
local check = require "moongate.config.check"
local concurrency = require "moongate.admin.concurrency"
local discovery = require "moongate.admin.discovery"
local hedges = require "moongate.admin.hedges"
local json = require "moongate.json"
local published = require "moongate.admin.published"
local reply = require "moongate.reply"

local C = bridge.C
local given, nearest = bridge.new "struct slice[3]", bridge.new "struct slice[1]"

local HEADERS = { ["cache-control"] = "no-store", ["x-content-type-options"] = "nosniff" }
local BODY_BYTES_MAX = 4096
local CHANGE = {
  state = { type = "string", values = { "enable", "drain", "disable" },
    help = "whether it gets requests: all, those that a cookie has bound to it, or none" },
  weight = { type = "integer", min = 1, max = 1000, help = "instead of the configured one" },
}
local PROBES = { [0] = "unknown", "up", "down" }
local STATES = { [0] = "enabled", "draining", "disabled" }

local targets = { endpoints = {} }

local function state_of(numbers)
  if numbers[C.MOON_TARGET_MODE] ~= 0 then return STATES[numbers[C.MOON_TARGET_MODE]] end
  if numbers[C.MOON_TARGET_PROBES] == 2 then return "down" end
  return numbers[C.MOON_TARGET_SET_ASIDE] == 1 and "set aside" or "up"
end

-- What differs from the configuration by an operator's word; nil: nothing does.
local function overlay_of(numbers)
  local mode, now = numbers[C.MOON_TARGET_MODE], numbers[C.MOON_TARGET_WEIGHT_NOW]
  local weight = now ~= numbers[C.MOON_TARGET_WEIGHT] and now or nil
  if mode == 0 and not weight then return nil end
  return { state = STATES[mode], weight = weight }
end

local function probes_of(numbers)
  if numbers[C.MOON_TARGET_PROBED] == 0 then return nil end
  return { state = PROBES[numbers[C.MOON_TARGET_PROBES]],
    total = numbers[C.MOON_TARGET_PROBES_TOTAL], failed = numbers[C.MOON_TARGET_PROBES_FAILED] }
end

-- Read at once: the numbers are the next target's soon.
local function row_of(address, numbers, url)
  local latency = numbers[C.MOON_TARGET_LATENCY]
  local state = state_of(numbers)
  return {
    target = address,
    url = url,
    weight = numbers[C.MOON_TARGET_WEIGHT],
    priority = numbers[C.MOON_TARGET_PRIORITY],
    backup = numbers[C.MOON_TARGET_BACKUP] == 1,
    other_zone = numbers[C.MOON_TARGET_REMOTE] == 1,
    overlay = overlay_of(numbers),
    state = state,
    healthy = state == "up",
    set_aside = numbers[C.MOON_TARGET_SET_ASIDE] == 1,
    failures = numbers[C.MOON_TARGET_FAILURES],
    probes = probes_of(numbers),
    connections = { busy = numbers[C.MOON_TARGET_BUSY], idle = numbers[C.MOON_TARGET_IDLE] },
    attempts = numbers[C.MOON_TARGET_ATTEMPTS],
    errors = numbers[C.MOON_TARGET_ERRORS],
    share = numbers[C.MOON_TARGET_SHARE],
    active = numbers[C.MOON_TARGET_ACTIVE],
    latency = latency > 0 and latency or nil,
  }
end

-- Of the upstream that a target's numbers belong to.
local function upstream_of(name, numbers, limits)
  return { name = name, targets = json.array {}, concurrency = limits[name],
    panic = numbers[C.MOON_TARGET_PANIC] == 1,
    retry_budget = { requests = numbers[C.MOON_TARGET_RETRIES_REQUESTS],
      retries = numbers[C.MOON_TARGET_RETRIES], refused = numbers[C.MOON_TARGET_RETRIES_REFUSED] },
    hedges = numbers[C.MOON_TARGET_HEDGED] == 1 and hedges.of(name) or nil }
end

--- All upstreams with their targets.
---@return table[]
function targets.upstreams()
  local list, by_name, limits = json.array {}, {}, concurrency.by_upstream()
  published.each_target(function(name, address, numbers, url)
    local upstream = by_name[name]
    if not upstream then
      upstream = upstream_of(name, numbers, limits)
      by_name[name], list[#list + 1] = upstream, upstream
    end
    upstream.targets[#upstream.targets + 1] = row_of(address, numbers, url)
  end)
  discovery.each(function(name, shown)
    local upstream = by_name[name]
    if not upstream then -- it has no target
      upstream = { name = name, targets = json.array {}, panic = false }
      list[#list + 1] = upstream
    end
    upstream.discovery = shown
  end)
  return list
end

--- The worker that probes for all, as /status numbers them; nil: none does.
---@return integer?
function targets.prober()
  local worker = C.moon_prober(bridge.generation)
  return worker >= 0 and worker + 1 or nil
end

--- What operators have said, of all targets.
---@return table[]
function targets.overlays()
  local list = json.array {}
  published.each_target(function(name, _, numbers, url)
    local overlay = overlay_of(numbers)
    if overlay then
      overlay.upstream, overlay.target = name, url
      list[#list + 1] = overlay
    end
  end)
  return list
end

local function find(name)
  for _, upstream in ipairs(targets.upstreams()) do
    if upstream.name == name then return upstream end
  end
  return nil
end

local function find_target(upstream, wanted)
  wanted = wanted:gsub("/$", "")
  for _, row in ipairs(upstream.targets) do
    if row.url == wanted or row.url:gsub("^%l+://", "") == wanted then return row end
  end
  return nil
end

local function set_slice(i, text)
  given[i].start, given[i].length = text, #text
end

-- `texts` keeps what the slices point to.
local function change(upstream, target, action, weight)
  local texts = { upstream, target, action }
  for i = 1, 3 do set_slice(i - 1, texts[i]) end
  return C.moon_target_change(bridge.generation, given, weight or 0, nearest)
end

local function unknown(outcome, upstream, target)
  local is_upstream = outcome == C.MOON_TARGET_NO_UPSTREAM
  local text = is_upstream and ("There is no upstream %q"):format(upstream)
    or ("The upstream %q has no target %q"):format(upstream, target)
  local near = nearest[0].length > 0 and bridge.string(nearest[0].start, nearest[0].length)
  return reply.problem(404, is_upstream and "unknown-upstream" or "unknown-target",
    text .. (near and ("; did you mean %q?"):format(near) or "."), HEADERS)
end

-- "find" changes nothing: it tells which name is not known.
local function answer_target(upstream, target)
  local found = find(upstream)
  local row = found and find_target(found, target)
  if row then return reply.json(200, row, HEADERS) end
  local outcome = change(upstream, target, "find")
  return unknown(outcome, upstream, target)
end

local function bad(status, name, detail) return reply.problem(status, name, detail, HEADERS) end

local function body_of(req)
  local body, wrong = json.decode(req:body(BODY_BYTES_MAX))
  if type(body) ~= "table" or json.is_array(body) and #body > 0 then
    return nil, bad(400, "no-json", "The body is no JSON object: "
      .. (wrong or "it is another value") .. ".")
  end
  local faults = {}
  local checked = check.options(CHANGE, body, function(message) faults[#faults + 1] = message end)
  if not checked.state and not checked.weight and #faults == 0 then
    faults[1] = "neither state nor weight is given"
  end
  if #faults > 0 then return nil, bad(422, "unfit", table.concat(faults, "; ") .. ".") end
  return checked
end

-- A path's double slashes are one by the time it is matched: those of a URL come back.
local function names_of(req)
  return req.params.name, (req.params.target:gsub("^(https?):/+", "%1://"))
end

local function put_target(_, req)
  local upstream, target = names_of(req)
  local wanted, refusal = body_of(req)
  if not wanted then return refusal end
  local outcome = C.MOON_TARGET_CHANGED
  if wanted.weight then outcome = change(upstream, target, "weight", wanted.weight) end
  if wanted.state and outcome == C.MOON_TARGET_CHANGED then
    outcome = change(upstream, target, wanted.state)
  end
  if outcome ~= C.MOON_TARGET_CHANGED then return unknown(outcome, upstream, target) end
  return answer_target(upstream, target)
end

local function reset_target(_, req)
  local upstream, target = names_of(req)
  local outcome = change(upstream, target, "reset")
  if outcome ~= C.MOON_TARGET_CHANGED then return unknown(outcome, upstream, target) end
  return answer_target(upstream, target)
end

targets.endpoints = {
  ["/upstreams"] = { GET = function()
    published.publish()
    return reply.json(200, targets.upstreams(), HEADERS)
  end },
  ["/upstreams/{name}"] = { GET = function(_, req)
    local found = find(req.params.name)
    if found then return reply.json(200, found, HEADERS) end
    return unknown(change(req.params.name, "", "find"), req.params.name, "")
  end },
  ["/upstreams/{name}/targets/{target*}"] = {
    GET = function(_, req) return answer_target(names_of(req)) end,
    PUT = put_target,
    DELETE = reset_target,
  },
}

return targets
