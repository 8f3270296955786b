--- chart: what a request costs, as bars, in SVG.

local chart = {}

local WIDTH, LEFT, RIGHT, ROW, TOP = 720, 150, 90, 28, 46
local USER, SYSTEM = "#3b6ea8", "#b8cbe0"

local function bar(x, y, width, fill)
  local form = '<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>'
  return form:format(x, y, width, ROW - 10, fill)
end

local function text(x, y, words, more)
  return ('<text x="%.1f" y="%d" %s>%s</text>'):format(x, y, more or "", words)
end

local function legend()
  return bar(LEFT, 14, 14, USER) .. text(LEFT + 20, 28, "in user space")
    .. bar(LEFT + 130, 14, 14, SYSTEM) .. text(LEFT + 150, 28, "in the kernel")
end

--- CPU of the gateway's process for each request, in microseconds.
---@param rows table[] `name`, `cpu_us`, and `user_us` and `system_us`: the shares of it
---@return string svg
function chart.draw(rows)
  local most = 0
  for _, row in ipairs(rows) do most = math.max(most, row.cpu_us) end
  local scale = (WIDTH - LEFT - RIGHT) / most
  local parts = { legend() }
  for i, row in ipairs(rows) do
    local y = TOP + (i - 1) * ROW
    -- Medians each: the two do not add up to that of all.
    local user = row.cpu_us * row.user_us / (row.user_us + row.system_us) * scale
    local kernel = row.cpu_us * scale - user
    parts[#parts + 1] = text(LEFT - 8, y + 14, row.name, 'text-anchor="end"')
    parts[#parts + 1] = bar(LEFT, y, user, USER) .. bar(LEFT + user, y, kernel, SYSTEM)
    parts[#parts + 1] = text(LEFT + user + kernel + 6, y + 14, ("%.1f µs"):format(row.cpu_us))
  end
  local form = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
    .. 'font-family="sans-serif" font-size="13">\n'
    .. "<title>CPU for each request, in microseconds</title>\n%s\n</svg>\n"
  return form:format(WIDTH, TOP + #rows * ROW + 6, table.concat(parts, "\n"))
end

return chart
