--- libraries: where specs, which run in a LuaJIT of their own, find "moongate.core.NAME".

local LIBRARY = os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so"

local function find(name)
  if not name:find "^moongate%.core%." then return nil end
  local register, wrong = package.loadlib(LIBRARY, "libraries_register")
  if not register then return wrong end
  register()
  return package.preload[name] or "\n\tno such library"
end

table.insert(package.loaders, find)
