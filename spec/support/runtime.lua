--- runtime: the C modules, callable from specs as their headers declare them.
--
-- The C preprocessor reads the headers, so that structs and constants cannot drift from
-- the code; functions defined in a header are left out, nothing exports them.

local ffi = require "ffi"

local runtime = {}

---@type table the library of all C modules
runtime.C = ffi.load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so")

local SYSTEM_HEADERS = {
  "assert.h", "ev.h", "netinet/in.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h",
  "stdint.h", "stdio.h", "stdlib.h", "string.h", "sys/socket.h", "time.h",
}

local done = {}

-- Empty headers in place of the system's, whose contents the FFI either knows or cannot read.
local function stand_ins()
  local directory = os.tmpname()
  os.remove(directory)
  for _, name in ipairs(SYSTEM_HEADERS) do
    local path = directory .. "/" .. name
    os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/"))
    io.open(path, "w"):close()
  end
  return directory
end

local function preprocess(header)
  local directory = stand_ins()
  local command = "echo '#include \"%s\"' | cc -E -nostdinc -I '%s' -I runtime - 2>&1"
  local pipe = io.popen(command:format(header, directory))
  local text = pipe:read "*a"
  pipe:close()
  os.execute(("rm -r '%s'"):format(directory))
  return text
end

local function declare(text)
  local ok, message = pcall(ffi.cdef, text)
  if not ok and not message:find "redefine" then error(message .. " in " .. text, 0) end
end

-- One declaration at a time: what another spec has declared by hand must not hide the rest.
local function declare_all(text)
  text = text:gsub("static inline[^;{}]*(%b{})", "")
  text = text:gsub("_Static_assert%s*%b();", "")
  text = text:gsub("__attribute__%s*%b()", ""):gsub("_Atomic", "")
  local declaration = ""
  for piece in text:gmatch "[^;]*;" do
    declaration = declaration .. piece
    local _, opened = declaration:gsub("{", "")
    local _, closed = declaration:gsub("}", "")
    if opened == closed then
      declare(declaration)
      declaration = ""
    end
  end
end

-- The text of each file, in the order in which they end: an included one before who includes it.
local function split_files(text)
  local texts, order, stack = {}, {}, {}
  for line in text:gmatch "[^\n]+" do
    assert(not line:find "error:", line)
    local file, flag = line:match '^# %d+ "([^"]*)" ?(%d?)'
    if flag == "2" then
      order[#order + 1] = table.remove(stack)
    elseif file then
      stack[#stack + (flag == "1" and 1 or 0)] = file
      texts[file] = texts[file] or {}
    else
      table.insert(texts[stack[#stack]], line)
    end
  end
  return texts, order
end

--- Makes what a header of runtime/ declares, and what it includes, known to the FFI.
---@param header string "gateway/route_matcher.h"
function runtime.include(header)
  if done["runtime/" .. header] then return end
  local texts, order = split_files(preprocess(header))
  for _, file in ipairs(order) do
    if file:find "^runtime/" and not done[file] then
      done[file] = true
      declare_all(table.concat(texts[file], "\n"))
    end
  end
end

---@param text string must stay alive while the slice is used
---@return ffi.cdata* slice
function runtime.slice(text)
  return ffi.new("struct slice", text, #text)
end

---@param slice ffi.cdata*
---@return string|nil text nil for one that starts at NULL
function runtime.text(slice)
  if slice.start == nil then return nil end
  return ffi.string(slice.start, slice.length)
end

---@return ffi.cdata* arena to be given back with `runtime.C.arena_clear`
function runtime.new_arena()
  runtime.include "base/arena.h"
  local arena = ffi.new "struct arena"
  runtime.C.arena_init(arena)
  return arena
end

return runtime
