--- annotations: what the LuaCATS annotations of a Lua file say, as Markdown.

local annotations = {}

-- Blocks of `---` lines, each with the line of code behind it.
local function blocks_of(text)
  local blocks, block = {}, nil
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local said = line:match "^%-%-%-%s?(.*)$"
    if said then
      block = block or {}
      block[#block + 1] = said
    elseif block then
      blocks[#blocks + 1] = { lines = block, code = line }
      block = nil
    end
  end
  return blocks
end

-- "@param name type  what" and its like, without the tag; lines without a tag.
local function take_apart(lines)
  local parts = { prose = {}, param = {}, ["return"] = {}, field = {} }
  local last = parts.prose
  for _, line in ipairs(lines) do
    local tag, rest = line:match "^@(%a+)%s*(.*)$"
    if tag == "class" then
      parts.class = rest:match "^[%w_.]+"
      local about = rest:match "^[%w_.]+%s%s+(.*)$"
      if about then parts.prose[#parts.prose + 1] = about end
    elseif tag then
      last = parts[tag] or {}
      last[#last + 1] = rest
    elseif last == parts.prose then
      last[#last + 1] = line
    elseif #last > 0 then
      last[#last] = last[#last] .. "  " .. line
    end
  end
  return parts
end

local function sentence_of(parts)
  return table.concat(parts.prose, " "):gsub("%s+", " "):match "^%s*(.-)%s*$"
end

local function add_lines(out, mark, lines)
  for _, line in ipairs(lines) do out[#out + 1] = "    " .. mark .. line end
end

-- "moongate.reply.new(status, body, headers)" of "function reply.new(status, body, headers)".
local function signature_of(code, library)
  local name, arguments = code:match "^function ([%w_.:]+)(%b())"
  if name then
    local owner, rest = name:match "^(%l[%w_]*)([.:].*)$"
    if owner then name = "moongate." .. library .. rest end
    return name .. arguments
  end
  arguments = code:match "^return function(%b())"
  return arguments and "moongate." .. library .. arguments
end

local function is_internal(sentence)
  return sentence:find "^For [%l%d_./]+[: ]" ~= nil
end

local function write_class(out, parts, sentence)
  if #parts.field == 0 then return end
  out[#out + 1] = "**" .. parts.class .. "**" .. (sentence ~= "" and ": " .. sentence or "")
  out[#out + 1] = ""
  add_lines(out, "", parts.field)
  out[#out + 1] = ""
end

local function write_function(out, signature, parts, sentence)
  out[#out + 1] = "`" .. signature .. "`" .. (sentence ~= "" and " — " .. sentence or "")
  out[#out + 1] = ""
  if #parts.param + #parts["return"] > 0 then
    add_lines(out, "", parts.param)
    add_lines(out, "→ ", parts["return"])
    out[#out + 1] = ""
  end
end

--- Names of the public functions of a file, as in the reference.
---@param text string
---@param library string
---@return string[]
function annotations.functions(text, library)
  local names = {}
  for _, block in ipairs(blocks_of(text)) do
    local signature = signature_of(block.code, library)
    if signature and not is_internal(sentence_of(take_apart(block.lines))) then
      names[#names + 1] = signature
    end
  end
  return names
end

--- The reference of one file.
---@param text string     of the file
---@param library string  "reply"
---@return string markdown  without a heading
function annotations.reference(text, library)
  local out = {}
  for i, block in ipairs(blocks_of(text)) do
    local parts = take_apart(block.lines)
    local sentence = sentence_of(parts)
    local signature = signature_of(block.code, library)
    if i == 1 and not parts.class and not signature then
      out[#out + 1] = sentence:gsub("^[%w_]+: ", ""):gsub("^%l", string.upper)
      out[#out + 1] = ""
    elseif parts.class then
      write_class(out, parts, sentence)
    elseif signature and not is_internal(sentence) then
      write_function(out, signature, parts, sentence)
    end
  end
  return table.concat(out, "\n")
end

return annotations
