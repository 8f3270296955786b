--- disk: stands in for moongate.config.disk where no binary is around: reads files as they are.

local disk = {}

function disk.read(path)
  local handle, why = io.open(path, "rb")
  if not handle then return nil, why end
  local text = handle:read "*a"
  handle:close()
  return text
end

function disk.has(path) return disk.read(path) ~= nil end

function disk.names() return nil end

function disk.ending() return nil end

package.loaded["moongate.config.disk"] = disk
return disk
