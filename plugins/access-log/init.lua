--- access-log: writes a line about every request, also about those that could not be read.
--
-- Lines go through a queue in memory to a thread that writes them, so no request waits for a disk;
-- what does not fit is dropped and counted (moongate_sink_lines_dropped_total). SIGUSR1 reopens the
-- file, for rotation. Several routes and workers may share one file: lines are never torn.

local bridge = require "moongate.ffi"
local buffer = require "string.buffer"
local formats = require "access-log.formats"

local C = bridge.C

---@class AccessLog: Plugin
---@field write fun(line: string.buffer, req: Request, res: Response?)
---@field sink integer
local access_log = {
  summary = "Writes a line about every request: JSON, combined, or a format of your own.",
  options = {
    format = { type = "string", default = "json",
      help = '"json", "combined" or a text with names in braces, as '
        .. '"{time} {address} {method} {path} {status} {duration}"; also {header:NAME} and '
        .. "{response_header:NAME}; what a request has not is a dash. What the cache did is "
        .. "{cache} (hit, stale, miss, revalidated, expired or bypass), {cache_reason} (why the "
        .. "upstream was asked), {cache_detail} (why its answer was not stored), "
        .. "{cache_collapsed}, {cache_age} and {cache_ttl}" },
    path = { type = "string", default = "stdout",
      help = '"stdout", "stderr", or a file, which is appended to; relative to the working '
        .. "directory" },
    query = { type = "boolean", default = true,
      help = "log query strings (also the referer's); false where they hold secrets" },
  },
}

local line = buffer.new()
local error_text = bridge.new "struct slice[1]"

local function folder_exists(path)
  local folder = path:match "^(.*)/[^/]*$"
  if not folder or folder == "" then return true, folder end
  local handle = io.open(folder, "r")
  if handle then handle:close() end
  return handle ~= nil, folder
end

---@param options table
---@return table?
---@return string? wrong
function access_log.new(options)
  local write, wrong = formats.of(options.format, options.query)
  if not write then return nil, wrong end
  if options.path == "" then return nil, "path is empty" end
  local exists, folder = folder_exists(options.path)
  if not exists then return nil, ("path is in %s, which is no folder"):format(folder) end
  options.write = write
  return options
end

--- Opens the file: only now, since building a configuration has no effects.
function access_log:start()
  self.sink = C.moon_sink_open(bridge.generation, self.path, #self.path, error_text)
  if self.sink < 0 then
    local why = bridge.string(error_text[0].start, error_text[0].length)
    error(("access-log: %s cannot be opened: %s"):format(self.path, why), 0)
  end
end

---@param req Request
---@param res Response?
function access_log:log(req, res)
  line:reset()
  self.write(line, req, res)
  local start, length = line:ref()
  C.moon_sink_write(bridge.generation, self.sink, start, length)
end

return access_log
