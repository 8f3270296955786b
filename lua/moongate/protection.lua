--- protection: what keeps a route's upstream alive and its requests short, as `moongate explain`
-- tells it: time, deadline, criticality, retries, hedging, limits, queue, breakers.
--
-- Pure: from the model to a table, which --json prints, and from that to words.

local protection = {}

local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true,
  DELETE = true }

---@class Protection
---@field criticality integer|string   1 to 100; "by request": a function says
---@field shed table?                  as the configuration has it; nil: no load is shed
---@field timeout table                connect, response, idle, total (0: none), in seconds
---@field deadline table?              of the client's, as the route has it
---@field retries table                most, budget, budget_min, report_only
---@field hedge table?                 `of` "route" or "upstream", and what that has
---@field adaptive table?
---@field queue table?
---@field breakers table[]             each with the name that /breakers has

local function hedge_of(route, upstream, method)
  local hedge = route.hedge or upstream.hedge
  if not hedge or hedge.attempts == 0 then return nil end
  return { of = route.hedge and "route" or "upstream", after = hedge.after, share = hedge.share,
    attempts = hedge.attempts, report_only = hedge.report_only,
    applies = IDEMPOTENT[method] == true }
end

local function breakers_of(route, upstream)
  local list = {}
  for _, pair in ipairs { { "route:" .. route.name, route.breaker },
    { "upstream:" .. upstream.name, upstream.breaker } } do
    local breaker = pair[2]
    if breaker then
      list[#list + 1] = { name = pair[1], failures = breaker.failures, slow = breaker.slow,
        slow_share = breaker.slow and breaker.slow_share, window = breaker.window,
        minimum = breaker.minimum, open = breaker.open, probes = breaker.probes,
        report_only = breaker.report_only }
    end
  end
  return list
end

--- Of a route that has an upstream.
---@param model Model
---@param route ModelRoute
---@param upstream ModelUpstream
---@param method string  of the request
---@return Protection
function protection.of(model, route, upstream, method)
  local by_request = type(route.criticality) == "function"
  return {
    criticality = by_request and "by request" or route.criticality,
    shed = model.shed,
    timeout = route.timeout,
    deadline = route.deadline,
    retries = { most = route.retries, budget = upstream.retry_budget,
      budget_min = upstream.retry_budget_min, report_only = upstream.retry_budget_report_only },
    hedge = hedge_of(route, upstream, method),
    adaptive = upstream.adaptive,
    queue = upstream.queue,
    breakers = breakers_of(route, upstream),
  }
end

local function seconds(number)
  if number < 1 then return ("%gms"):format(number * 1000) end
  return ("%gs"):format(number)
end

local function percent(share) return ("%g%%"):format(share * 100) end

local function reported(what, text)
  return what.report_only and text .. "; only reported" or text
end

local TELL = {
  timeout = function(timeout)
    local text = ("connect %s, response %s, idle %s"):format(seconds(timeout.connect),
      seconds(timeout.response), seconds(timeout.idle))
    return timeout.total > 0 and text .. ", total " .. seconds(timeout.total) or text
  end,
  deadline = function(deadline)
    local text = deadline.field .. (deadline.pass_on and ", passed on" or "")
    if deadline.max > 0 then text = text .. ", at most " .. seconds(deadline.max) end
    return reported(deadline, text)
  end,
  retries = function(retries)
    if retries.most == 0 then return "none" end
    return reported(retries, ("%d, within %s of the requests or %d a second"):format(retries.most,
      percent(retries.budget), retries.budget_min))
  end,
  hedge = function(hedge)
    if not hedge.applies then return "no: the method is not idempotent" end
    local after = type(hedge.after) == "number" and seconds(hedge.after) or tostring(hedge.after)
    return reported(hedge, ("%d more after %s, of %s of the requests (the %s's)"):format(
      hedge.attempts, after, percent(hedge.share), hedge.of))
  end,
  adaptive = function(adaptive)
    return reported(adaptive, ("%d to %d requests at once, as learnt"):format(adaptive.min,
      adaptive.max))
  end,
  queue = function(queue)
    return reported(queue, ("%d wait, each for at most %s"):format(queue.size,
      seconds(queue.deadline)))
  end,
  shed = function(shed)
    return reported(shed, ("when the loop lags %s, all below 100 from %s on"):format(
      seconds(shed.lag), seconds(shed.full)))
  end,
}

local function breaker_text(breaker)
  local causes = {}
  if breaker.failures > 0 then causes[1] = percent(breaker.failures) .. " fail" end
  if breaker.slow then
    causes[#causes + 1] = ("%s take longer than %s"):format(percent(breaker.slow_share),
      seconds(breaker.slow))
  end
  return reported(breaker, ("%s opens for %s when of %d or more in %s %s"):format(breaker.name,
    seconds(breaker.open), breaker.minimum, seconds(breaker.window), table.concat(causes, " or ")))
end

--- Words for people, in lines: label and text.
---@param told Protection
---@param add fun(label: string, text: string)
function protection.tell(told, add)
  add("matters", tostring(told.criticality))
  for _, name in ipairs { "shed", "timeout", "deadline", "retries", "hedge", "adaptive",
    "queue" } do
    if told[name] then add(name, TELL[name](told[name])) end
  end
  for _, breaker in ipairs(told.breakers) do add("breaker", breaker_text(breaker)) end
end

return protection
