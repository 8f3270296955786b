--- balance: picks of a balancer on a virtual clock, and what they are held against.

local upstream = require "spec.support.upstream"

local C = upstream.C
local REFUSED = upstream.fault "upstream-refused"

local balance = {}

--- A driver of spec.support.upstream with fixed random numbers, and functions to pick by.
---@return Driver
function balance.driver()
  local driver = upstream.driver()
  C.driver_seed(driver.driver, 20260101)

  -- Its targets, each a weight, or a table of what upstream.cluster() takes.
  function driver.cluster_of(weights, options)
    local targets = {}
    for i, weight in ipairs(weights) do
      targets[i] = type(weight) == "table" and weight or { weight = weight }
      targets[i][1] = 9000 + i
    end
    return driver:cluster(targets, options)
  end

  -- Letters of the targets picked one after the other; `tried`: bits.
  function driver.picks(cluster, count, now, tried)
    local letters = {}
    for i = 1, count do
      local index = C.driver_pick(cluster, now or 1, tried or 0)
      letters[i] = index < 0 and "-" or ("abcdefgh"):sub(index + 1, index + 1)
    end
    return table.concat(letters)
  end

  -- How often each was picked, by index from 0; `body` may say what happens to each.
  function driver.tally(cluster, count, now, body)
    local counts = {}
    for i = 1, count do
      local index = C.driver_pick(cluster, now or 1, 0)
      counts[index] = (counts[index] or 0) + 1
      if body then body(index, i) end
    end
    return counts
  end

  return driver
end

-- Chi-square that is exceeded once in a million runs, by degrees of freedom (Wilson and Hilferty).
local function chi_square_bound(degrees)
  local part = 2 / (9 * degrees)
  return degrees * (1 - part + 4.753 * math.sqrt(part)) ^ 3
end

--- Raises unless counts may come from these shares.
---@param shares table<integer, number>  by index from 0
---@param counts table<integer, integer>
---@param total integer
function balance.assert_distributed(shares, counts, total)
  local sum, degrees = 0, -1
  for index, share in pairs(shares) do
    local expected = share * total
    sum = sum + ((counts[index] or 0) - expected) ^ 2 / expected
    degrees = degrees + 1
  end
  if sum >= chi_square_bound(degrees) then
    error(("chi-square %.1f with %d degrees of freedom"):format(sum, degrees), 2)
  end
end

--- As many refused connections as set a target aside by default.
function balance.set_aside(cluster, index, now)
  for _ = 1, 3 do C.driver_fail(cluster, index, REFUSED, false, now) end
end

return balance
