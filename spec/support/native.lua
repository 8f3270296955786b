--- native: the C library under test, and what every spec that calls it through the FFI needs.

local ffi = require "ffi"

local native = {}

native.C = ffi.load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so")

--- Declares C structs and functions. What another spec of this process declared already
-- is left as it is: the FFI refuses to define a struct twice.
---@param text string  declarations, each ended by a semicolon outside of braces
function native.declare(text)
  local depth, from = 0, 1
  for position, char in text:gmatch "()([{};])" do
    if char == "{" then
      depth = depth + 1
    elseif char == "}" then
      depth = depth - 1
    elseif depth == 0 then
      local declared, problem = pcall(ffi.cdef, text:sub(from, position))
      if not declared and not problem:find("redefine", 1, true) then error(problem, 2) end
      from = position + 1
    end
  end
end

native.declare [[
struct slice { const char *start; size_t length; };
struct address {
  uint32_t length;
  bool both_families;
  union { uint16_t family; uint32_t words[28]; };
};
bool address_parse(struct slice text, struct address *address);
struct slice address_format(const struct address *address, char *text);
]]

local kept = setmetatable({}, { __mode = "k" })

--- A slice over a block of exactly its size, so that a sanitizer sees reads beyond it.
---@param text string
---@return ffi.cdata*
function native.slice(text)
  local bytes = ffi.new("char[?]", #text)
  ffi.copy(bytes, text, #text)
  local slice = ffi.new("struct slice", bytes, #text)
  kept[slice] = bytes
  return slice
end

---@param slice ffi.cdata*
---@return string
function native.text(slice)
  return ffi.string(slice.start, slice.length)
end

---@param text string  "127.0.0.1:80"
---@return ffi.cdata*
function native.address(text)
  local address = ffi.new "struct address"
  assert(native.C.address_parse(native.slice(text), address), text)
  return address
end

---@param address ffi.cdata*
---@return string
function native.address_text(address)
  return native.text(native.C.address_format(address, ffi.new "char[128]"))
end

return native
