--- tables: what a benchmark found, as text and in Markdown.

local tables = {}

local COLUMNS = {
  { "requests/s", "rps", "%.0f" }, { "CPU us", "cpu_us", "%.2f" }, { "user", "user_us", "%.2f" },
  { "system", "system_us", "%.2f" }, { "p50 ms", "p50_ms", "%.2f" }, { "p99 ms", "p99_ms", "%.2f" },
  { "memory MB", "memory", "%.1f" }, { "KiB a route", "route_kib", "%.2f" },
  { "calls", "syscalls", "%.2f" }, { "Lua bytes", "garbage", "%.1f" },
  { "turns > 10 ms in all rounds", "long_turns", "%d" }, { "of the rate", "kept", "%.2f" },
}

local function figure(row, column)
  local value = row[column[2]]
  if not value then return "" end
  if column[2] == "memory" then value = value / 1048576 end
  return column[3]:format(value)
end

local function has_figure(rows, key)
  for _, row in ipairs(rows) do
    if row[key] then return true end
  end
  return false
end

-- Those that some of the rows have.
local function columns_of(rows)
  local shown = {}
  for _, column in ipairs(COLUMNS) do
    if has_figure(rows, column[2]) then shown[#shown + 1] = column end
  end
  return shown
end

local function figures(row, columns)
  local cells = {}
  for i, column in ipairs(columns) do cells[i] = figure(row, column) end
  return cells
end

local function ratio_titles(row)
  local names = {}
  for i, ratio in ipairs(row.ratios) do names[i] = ("%s over %s"):format(ratio.what, ratio.over) end
  return names
end

local function ratios(row)
  local cells = {}
  for i, ratio in ipairs(row.ratios) do
    cells[i] = ("%.2f (%.2f to %.2f)"):format(ratio.median, ratio.min, ratio.max)
  end
  return cells
end

local function joined(first, second)
  local all = { unpack(first) }
  for _, cell in ipairs(second) do all[#all + 1] = cell end
  return all
end

local function idle(row)
  return ("%.2f KiB each, of %d"):format(row.bytes / 1024, row.connections)
end

-- Rows of cells, each as wide as the widest of its column.
local function aligned(rows)
  local widths, lines = {}, {}
  for _, cells in ipairs(rows) do
    for i, cell in ipairs(cells) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for i, cells in ipairs(rows) do
    local texts = { cells[1] .. (" "):rep(widths[1] - #cells[1]) }
    for j = 2, #cells do texts[j] = (" "):rep(widths[j] - #cells[j]) .. cells[j] end
    lines[i] = table.concat(texts, "  ")
  end
  return lines
end

local function titles(columns)
  local names = {}
  for i, column in ipairs(columns) do names[i] = column[1] end
  return names
end

-- Head and rows of one scenario.
local function cells_of(scenario, rows)
  if scenario.measure == "idle" then
    local cells = { { "", "memory" } }
    for i, row in ipairs(rows) do cells[i + 1] = { row.name, idle(row) } end
    return cells
  end
  local columns = columns_of(rows)
  local cells = { joined({ "", unpack(titles(columns)) }, ratio_titles(rows[1])) }
  for i, row in ipairs(rows) do
    cells[i + 1] = joined({ row.name, unpack(figures(row, columns)) }, ratios(row))
  end
  return cells
end

local function what_of(scenario)
  local most = scenario.rounds_max
  return scenario.what .. (most and (" (at most %d rounds)"):format(most) or "")
end

--- As aligned columns.
---@param scenario Scenario
---@param rows table[]
---@return string
function tables.text(scenario, rows)
  local head = ("%s: %s\n"):format(scenario.name, what_of(scenario))
  return head .. table.concat(aligned(cells_of(scenario, rows)), "\n")
end

local function line(cells) return "| " .. table.concat(cells, " | ") .. " |" end

local function add_table(lines, scenario, rows)
  for i, cells in ipairs(cells_of(scenario, rows)) do
    lines[#lines + 1] = line(cells)
    if i == 1 then lines[#lines + 1] = "|---|" .. ("---:|"):rep(#cells - 1) end
  end
end

-- "2026-01-31, Linux 6.1, 2 processors (Model)".
local function where()
  local kernel = io.open("/proc/sys/kernel/osrelease"):read "*l"
  local count, model = 0, "?"
  for text in io.lines "/proc/cpuinfo" do
    if text:find "^processor" then count = count + 1 end
    model = text:match "^model name%s*:%s*(.+)$" or model
  end
  return ("%s, Linux %s, %d processors (%s)"):format(os.date "%Y-%m-%d", kernel, count, model)
end

--- All scenarios with the date and the machine, as README.md has them.
---@param scenarios Scenario[]
---@param results { rows: table[] }[]  in the same order
---@param options { rounds: integer, seconds: integer }
---@return string
function tables.markdown(scenarios, results, options)
  local lines = { ("%s; medians of %d rounds of %d s, in brackets the least and the most."):format(
    where(), options.rounds, options.seconds) }
  for i, scenario in ipairs(scenarios) do
    lines[#lines + 1] = ("\n**%s**: %s\n"):format(scenario.name, what_of(scenario))
    add_table(lines, scenario, results[i].rows)
  end
  return table.concat(lines, "\n")
end

return tables
