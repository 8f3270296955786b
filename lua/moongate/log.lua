--- log: lines on the gateway's log, under the id of the request whose plugin speaks.
--
-- The text is a format for string.format when more arguments follow. No secrets: nobody removes
-- them.

local bridge = require "moongate.ffi"
local C = bridge.C

---@class moongate.log
local log = {}

local function write(level, text, ...)
  if not C.moon_log_is_on(level) then return end
  if select("#", ...) > 0 then text = text:format(...) end
  C.moon_log(bridge.generation, level, text, #text)
end

---@param text string
---@param ... any  values for string.format
function log.debug(text, ...) write(0, text, ...) end

---@param text string
---@param ... any  values for string.format
function log.info(text, ...) write(1, text, ...) end

---@param text string
---@param ... any  values for string.format
function log.warning(text, ...) write(2, text, ...) end

---@param text string
---@param ... any  values for string.format
function log.error(text, ...) write(3, text, ...) end

--- Whether lines of that level are written: before costly preparations.
---@param level "debug"|"info"|"warning"|"error"
---@return boolean
function log.is_on(level)
  return C.moon_log_is_on(({ debug = 0, info = 1, warning = 2, error = 3 })[level])
end

return log
