--- disk: files and folders as they are for one reading of the configuration (bridge/bundle.h).
--
-- What has been asked for once has the same answer until the generation is built.

local bridge = require "moongate.ffi"

local C, found = bridge.C, bridge.found

local disk = {}

--- The whole file, or nil and why not, without the path.
---@param path string
---@return string? text
---@return string? why
function disk.read(path)
  if C.moon_file_text(bridge.generation, path, #path, found) then return bridge.text() end
  return nil, bridge.text()
end

---@param path string
---@return boolean
function disk.has(path)
  return C.moon_file_text(bridge.generation, path, #path, found)
end

--- The one file read so far whose path ends so; nil: none, or several.
---@param text string
---@return string? path
function disk.ending(text)
  return C.moon_file_ending(bridge.generation, text, #text, found) and bridge.text() or nil
end

--- The names in a folder, sorted; nil when there is no such folder.
---@param path string
---@return string[]?
function disk.names(path)
  if not C.moon_folder_names(bridge.generation, path, #path, found) then return nil end
  local list = {}
  for name in bridge.text():gmatch "[^%z]+" do list[#list + 1] = name end
  return list
end

return disk
